"""The description of a run: its configuration, its protocol, settings and paths."""
