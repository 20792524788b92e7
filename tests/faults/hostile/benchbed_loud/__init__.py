"""A plugin that talks to stdout while it is imported, and while it says what it offers."""
