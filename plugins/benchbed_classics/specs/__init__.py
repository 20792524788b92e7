"""Method specs, one per module."""
