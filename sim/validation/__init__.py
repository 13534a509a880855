"""A market held against published regularities of markets, and against data kept back."""
