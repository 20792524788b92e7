"""Format numbers for tables, and measure what the terminal shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

MISSING_TEXT = "–"
"""Shown where there is no value."""

_MARKDOWN_ESCAPES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\", "&#92;"),  # first: it would undo the others
        (r"<(?=[A-Za-z/!?])", "&lt;"),  # tags and <links>, but no comparisons
        (r"\](?=[(:\[])", r"\\]"),  # links, images and their definitions, but no intervals
        (r"(?i)(?<=:)//", r"\\//"),  # links without brackets
        (r"(?i)\bwww\.", r"www\\."),
        (r"\|", r"\\|"),
    )
)
"""What begins HTML or a link in Markdown, or ends a table cell, and its replacement."""

UNLIMITED_WIDTH = 10_000
"""Width in characters at which nothing is wrapped or cut."""


def format_count(count: int, noun: str) -> str:
    """Format a count with its noun, which takes an "s" unless the count is 1."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def format_number(value: float) -> str:
    """Format four significant digits, without an exponent for common magnitudes."""
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 or value == 0 else f"{value:.3e}"


def format_interval(low: float, high: float) -> str:
    """Format a confidence interval."""
    return f"[{format_number(low)}, {format_number(high)}]"


def format_p_value(p: float) -> str:
    """Format two significant digits; very small values as a bound."""
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def escape_markdown(text: str) -> str:
    """Return the text on one line, without HTML, images, links and ends of table cells."""
    for pattern, replacement in _MARKDOWN_ESCAPES:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())


def measure_width(renderable: RenderableType, console: Console) -> int:
    """Return the width that a renderable needs without wrapping."""
    unbounded = console.options.update(max_width=UNLIMITED_WIDTH)
    return console.measure(renderable, options=unbounded).maximum
