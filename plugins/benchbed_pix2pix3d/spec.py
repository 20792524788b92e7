"""Method specs of pix2pix for volumes."""

from __future__ import annotations

from collections.abc import Iterable

from benchbed import MethodSpec, hookimpl
from benchbed_pix2pix3d.segmentation_spec import PIX2PIX_3D_SEG
from benchbed_pix2pix3d.synthesis_spec import PIX2PIX_3D


@hookimpl
def benchbed_methods() -> Iterable[MethodSpec]:
    """Return both directions."""
    return [PIX2PIX_3D, PIX2PIX_3D_SEG]
