"""Spec of the misbehaving method."""

from collections.abc import Iterable

from benchbed import MethodSpec, Paper, hookimpl

HOSTILE = MethodSpec(
    name="hostile",
    title="Hostile",
    paper=Paper(
        key="mao2017-lsgan",
        authors="Mao, Li, Xie, Lau, Wang, Smolley",
        year=2017,
        title="Least squares generative adversarial networks",
        venue="ICCV",
    ),
    implementation="benchbed_hostile.method:Hostile",
    settings="benchbed_hostile.settings:HostileSettings",
    sizes=(16, 32),
    presets={"quick": {"batch_size": 8}},
)


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    return [HOSTILE]
