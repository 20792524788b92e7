"""Cells under the phase-contrast microscope, and their phantom."""
