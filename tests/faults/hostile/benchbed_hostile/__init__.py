"""A plugin with faults that the harness must survive."""
