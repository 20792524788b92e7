"""Executors of suites: processes on this machine, or a Ray cluster."""
