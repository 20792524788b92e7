"""The method lsgan, as a plugin of benchbed."""
