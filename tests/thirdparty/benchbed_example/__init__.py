"""A minimal third-party plugin with a method and a dataset."""
