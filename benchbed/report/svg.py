"""Figures that become SVG files: the same drawing gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = {
    # Text stays text, so that a reader can search it, and no glyph is drawn.
    "svg.fonttype": "none",
    # Else the identifiers in the file are random.
    "svg.hashsalt": "benchbed",
    # A dollar in a label is a dollar.
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9,
}


@contextmanager
def figure_of(width: float, height: float) -> Iterator[Figure]:
    """An empty figure in our own style, whatever the reader's.

    Args:
        width: In inches.
        height: In inches.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, _STYLE))
        yield Figure(figsize=(width, height))


def svg(figure: Figure, key: str, title: str) -> str:
    """The file.

    Args:
        figure: From `figure_of`, which has to be open still.
        key: What is drawn, as a hash; the file holds it as its identifier.
        title: The file's title.
    """
    file = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Identifier": key, "Title": title}
    figure.savefig(file, format="svg", metadata=metadata)
    # matplotlib ends some lines with a space.
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
