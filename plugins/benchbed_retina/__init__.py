"""Retinal photographs, and their phantom."""
