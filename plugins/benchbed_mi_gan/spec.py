"""Method specs of MI-GAN."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import MethodSpec, hookimpl
from benchbed_mi_gan.segmentation_spec import MI_GAN_SEG
from benchbed_mi_gan.synthesis_spec import MI_GAN


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """Return both directions of MI-GAN."""
    return [MI_GAN, MI_GAN_SEG]
