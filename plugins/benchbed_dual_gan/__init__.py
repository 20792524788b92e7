"""Dual GAN: the geometry first, then the photograph."""
