"""CT slices of the lungs, and their phantom."""
