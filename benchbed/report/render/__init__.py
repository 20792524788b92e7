"""Output formats of the leaderboards."""
