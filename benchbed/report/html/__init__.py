"""The leaderboards as one page for a browser, which asks no network for anything."""
