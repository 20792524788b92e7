"""One file a metric; `features` holds the extractors, caches what they and floors gave."""
