"""Anisotropic networks that segment brain tumours in three views."""
