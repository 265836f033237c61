"""How does `python -m bot` start? As `counterfoil` does."""

from bot.cli import main

if __name__ == "__main__":
    main()
