"""Create matplotlib figures and render them as reproducible SVG."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = {
    # Text elements instead of glyph outlines, so that text is searchable.
    "svg.fonttype": "none",
    # Without a salt the identifiers in the file are random.
    "svg.hashsalt": "benchbed",
    # A dollar sign in a label is literal.
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9,
}


@contextmanager
def create_figure(width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure (size in inches) in a fixed style, not the user's."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, _STYLE))
        yield Figure(figsize=(width, height))


def render_svg(figure: Figure, key: str, title: str) -> str:
    """Return the SVG file.

    Args:
        figure: From `create_figure`, whose context must still be open.
        key: Hash of what is drawn, stored as the identifier.
        title: The file's title.
    """
    file = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Identifier": key, "Title": title}
    figure.savefig(file, format="svg", metadata=metadata)
    # matplotlib ends some lines with spaces.
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
