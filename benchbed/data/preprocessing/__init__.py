"""From decoded cases to prepared arrays."""
