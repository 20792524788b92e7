"""Rows and tables of the leaderboards."""
