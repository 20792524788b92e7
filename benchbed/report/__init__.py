"""Reports: pure functions of records."""

FORMATS = ("md", "csv", "tex")
"""What a leaderboard is written as: Markdown, CSV, LaTeX."""
