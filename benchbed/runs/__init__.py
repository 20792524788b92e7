"""Runs: plan, validate, execute, resume."""
