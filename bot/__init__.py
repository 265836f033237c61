"""What runs, and what do staff see? The top floor: it knows both others."""
