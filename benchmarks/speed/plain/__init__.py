"""References as a user writes them from the papers: float32 and torch's defaults, no benchbed."""
