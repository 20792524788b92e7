"""Phase-contrast microscopy of cells, and its phantom."""
