"""Runs: planning, execution, records and storage."""
