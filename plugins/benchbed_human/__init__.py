"""The human annotator as a row among the methods."""
