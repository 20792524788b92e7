"""Spec of the metric spectrum; imports nothing heavy."""

from collections.abc import Iterable

from benchbed import MetricSpec, Paper, hookimpl

SPEC = MetricSpec(
    name="spectrum",
    title="Spectrum",
    direction="down",
    implementation="benchbed_spectrum.spectrum:spectral_distance",
    recipe="mean absolute difference of the natural logarithms of the mean radial power spectra "
    "of grey values in [0, 1], integer frequencies up to half the size",
    bounds=(0, None),
    paper=Paper(
        key="durall2020-spectrum",
        authors="Durall, Keuper, Keuper",
        year=2020,
        title="Watch your up-convolution: CNN based generative deep neural networks are failing "
        "to reproduce spectral distributions",
        venue="CVPR",
    ),
)


@hookimpl
def benchbed_metrics() -> Iterable[MetricSpec]:
    """Return the metric."""
    return [SPEC]
