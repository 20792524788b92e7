"""Method specs of the classical GANs."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import MethodSpec, hookimpl
from benchbed_classics.specs.acgan import ACGAN
from benchbed_classics.specs.dcgan import DCGAN
from benchbed_classics.specs.pggan import PGGAN
from benchbed_classics.specs.wgan import WGAN
from benchbed_classics.specs.wgan_gp import WGAN_GP


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """Return the classical GANs by year."""
    return [DCGAN, WGAN, ACGAN, WGAN_GP, PGGAN]
