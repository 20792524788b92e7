"""One file a metric; `features` holds the extractors, `feature_cache` what they gave."""
