"""Reports: leaderboards computed from records."""

FORMATS = ("md", "csv", "tex")
"""File formats of a leaderboard: Markdown, CSV, LaTeX."""
