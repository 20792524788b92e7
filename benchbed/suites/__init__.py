"""Suites: grids of runs, usually one table of a paper."""
