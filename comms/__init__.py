"""What do clients see and say, and may it leave? The middle floor: it knows billing."""
