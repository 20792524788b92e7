"""Chest radiographs, and their phantom."""
