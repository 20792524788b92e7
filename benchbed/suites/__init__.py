"""Suites: a grid of runs, usually one table of one paper."""
