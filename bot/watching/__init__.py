"""How does somebody see that the process runs, and what it is doing?"""
