"""Helpers that know nothing of benchbed: files, progress, standard output."""
