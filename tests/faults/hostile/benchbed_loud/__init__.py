"""A plugin that prints to stdout on import and in its hooks."""
