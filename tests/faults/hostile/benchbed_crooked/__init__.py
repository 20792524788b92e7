"""A plugin whose data sets and metrics misbehave."""
