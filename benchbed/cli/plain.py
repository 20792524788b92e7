"""Text of strangers on the terminal: names and messages out of records and archives."""

from __future__ import annotations

import re

from rich.text import Text

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def plain(text: str) -> str:
    """The text with its control characters spelled out, so that none reaches the terminal."""
    return _CONTROL.sub(lambda hit: f"\\x{ord(hit.group()):02x}", text)


def plain_text(text: str, style: str = "") -> Text:
    """Text for a table, neither markup nor control characters in it."""
    return Text(plain(text), style=style)
