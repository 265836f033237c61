"""How does each channel speak? One file is one wire; only the composition root imports them."""
