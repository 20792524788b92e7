"""Tasks on which methods are evaluated."""
