"""What is owed, and what was decided about it? The ground floor: it knows nobody."""
