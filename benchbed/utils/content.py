"""Check texts and depth of parsed JSON and YAML, which may come from someone else."""

from __future__ import annotations

from typing import Any

from benchbed.utils.stdout import CONTROL_PATTERN

MAX_DEPTH = 50
"""Maximum depth of nested lists and mappings; tools that write them recursively allow more."""

MAX_VALUES = 1_000_000
"""Maximum number of values; an alias of YAML counts with its whole content."""


def find_content_fault(value: Any, *, max_values: int = MAX_VALUES) -> str | None:
    """Return why a parsed value is rejected, or None.

    Rejected are texts with control characters, with characters that reverse the direction of
    writing or with half of a surrogate pair (which is no UTF-8), and values that are nested too
    deeply or too many.
    """
    pending, count = [(value, 1)], 0
    while pending:
        item, depth = pending.pop()
        count += 1
        if isinstance(item, str) and (hit := CONTROL_PATTERN.search(item)):
            return f"it contains control characters ({item[max(0, hit.start() - 20) :][:40]!a})"
        if isinstance(item, dict):
            children = [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple | set):
            children = [*item]
        else:
            continue
        if depth > MAX_DEPTH:
            return f"it is nested more than {MAX_DEPTH} levels deep"
        if count + len(pending) + len(children) > max_values:
            return f"it contains more than {max_values} values"
        pending += [(child, depth + 1) for child in children]
    return None
