"""Escape untrusted text for the terminal, such as names in records and archives."""

from __future__ import annotations

import re

from rich.text import Text

_CONTROL_PATTERN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def escape_control_characters(text: str) -> str:
    """Return the text with control characters escaped."""
    return _CONTROL_PATTERN.sub(lambda hit: f"\\x{ord(hit.group()):02x}", text)


def make_plain_text(text: str, style: str = "") -> Text:
    """Return text for a rich table, without markup and control characters."""
    return Text(escape_control_characters(text), style=style)
