"""Pix2pix for volumes: brain MRI from label maps, and label maps from brain MRI."""
