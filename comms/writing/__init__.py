"""What does a message say, and may it say so?"""
