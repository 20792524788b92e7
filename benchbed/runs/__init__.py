"""Runs: what they are, where they lie, how they are carried out and what they leave."""
