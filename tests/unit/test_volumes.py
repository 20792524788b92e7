"""Volumes in any orientation, damaged files, false headers, and ranges of real files."""

from __future__ import annotations
