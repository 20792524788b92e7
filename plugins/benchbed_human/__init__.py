"""Human annotator as a method in the tables."""
