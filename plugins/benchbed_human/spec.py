"""Method spec of the human expert."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import MethodSpec, Paper, hookimpl

HUMAN_EXPERT = MethodSpec(
    name="human-expert",
    title="Human expert",
    paper=Paper(
        key="staal2004-drive",
        authors="Staal, Abramoff, Niemeijer, Viergever, van Ginneken",
        year=2004,
        title="Ridge-based vessel segmentation in color images of the retina",
        venue="IEEE Transactions on Medical Imaging 23(4)",
    ),
    implementation="benchbed_human.human:HumanExpert",
    settings="benchbed_human.settings:HumanExpertSettings",
    capabilities=frozenset({"annotate"}),
    sizes=(32, 64, 128, 256, 512, 1024),
    is_trainable=False,
)


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """Return the second annotator, scored against the first."""
    return [HUMAN_EXPERT]
