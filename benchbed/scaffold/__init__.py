"""What ``benchbed new`` writes: an installable package for a new method or data set."""
