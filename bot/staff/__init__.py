"""What may our own people decide or change, and what follows at once?"""
