"""The dataset nuclei, a plugin of benchbed."""
