"""The spec of the method lsgan; imports nothing heavy."""

from collections.abc import Iterable

from benchbed import Deviation, MethodSpec, Paper, hookimpl

SPEC = MethodSpec(
    name="lsgan",
    title="LSGAN",
    paper=Paper(
        key="mao2017-lsgan",
        authors="Mao, Li, Xie, Lau, Wang, Smolley",
        year=2017,
        title="Least squares generative adversarial networks",
        venue="ICCV",
        url="https://arxiv.org/abs/1611.04076",
    ),
    implementation="benchbed_lsgan.method:LSGAN",
    settings="benchbed_lsgan.settings:Settings",
    sizes=(32, 64, 128, 256, 512),
    presets={"quick": {"batch_size": 16, "features": 32, "latent_dim": 128}},
    equations=(
        ("eq. 2, for D", "min_D  1/2 E[(D(x) - b)^2] + 1/2 E[(D(G(z)) - a)^2]"),
        ("eq. 2, for G", "min_G  1/2 E[(D(G(z)) - c)^2]"),
        ("eq. 9", "a = 0, b = 1, c = 1"),
    ),
    deviations=(
        Deviation(
            paper="a deeper generator at 112 px; the authors' code has another at 64 px",
            implementation="that of 64 px, with one more layer per doubling of the size",
            reason="it works at all sizes of the comparison",
        ),
        Deviation(
            paper="the authors' code sums the losses over the batch",
            implementation="means, as in eq. 2",
            reason="a constant factor does not change Adam's updates, except through epsilon",
        ),
        Deviation(
            paper="batch of 64, 64 channels next to the image, noise of 1024 (authors' code)",
            implementation="preset quick: batch of 16, 32 channels, noise of 128",
            reason="minutes on two CPU cores",
        ),
    ),
)


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """Return the method."""
    return [SPEC]
