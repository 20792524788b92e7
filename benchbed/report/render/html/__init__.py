"""The leaderboards as one self-contained HTML page without network access."""
