"""Templates of ``benchbed new``: an installable package for a method or dataset."""
