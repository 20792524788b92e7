"""Quality over training time, next to a plain script."""
