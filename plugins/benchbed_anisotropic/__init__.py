"""Anisotropic networks for the segmentation of brain tumours, in three views."""
