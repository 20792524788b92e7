"""Discovery and lookup of plugins."""
