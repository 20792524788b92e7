"""Downloads of datasets and weights."""
