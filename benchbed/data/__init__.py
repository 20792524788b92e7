"""Loading of real files and phantoms, up to batches on the device."""
