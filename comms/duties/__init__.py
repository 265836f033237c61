"""What is a person's turn, what may they tell us to do, and what follows?"""
