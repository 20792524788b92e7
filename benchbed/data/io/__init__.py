"""Decoding of image and volume files into arrays."""
