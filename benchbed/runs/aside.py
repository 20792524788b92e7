"""What a method writes to stdout while it is carried out: kept aside as any plugin's is."""

from __future__ import annotations

from benchbed.aside import stdout_aside

__all__ = ["stdout_aside"]
