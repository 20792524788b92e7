"""From files or phantoms to batches on the device."""
