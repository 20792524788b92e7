"""A plugin that calls sys.exit on import of its settings or networks."""
