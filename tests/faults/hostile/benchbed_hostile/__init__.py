"""A plugin that does what no plugin should, to see that the harness survives it."""
