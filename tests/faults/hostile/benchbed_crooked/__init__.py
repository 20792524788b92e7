"""A plugin with misbehaving datasets and metrics."""
