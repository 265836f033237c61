"""What does each command of `counterfoil` ask for? Light to import: the work lies elsewhere."""
