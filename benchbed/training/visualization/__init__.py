"""Sample grids and previews."""
