"""How fast benchbed is, measured against a plain reference in the same process."""
