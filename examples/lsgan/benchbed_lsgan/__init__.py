"""The method lsgan, a plugin of benchbed."""
