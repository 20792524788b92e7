"""One spec a method."""
