"""The metric spectrum, a plugin of benchbed."""
