"""Feature spaces of metrics."""
