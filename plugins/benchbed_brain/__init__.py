"""Magnetic resonance images of the brain, and their phantoms."""
