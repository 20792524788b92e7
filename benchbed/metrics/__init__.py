"""Metrics, one file each, with their feature extractors and caches of features and baselines."""
