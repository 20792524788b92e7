"""Figure 3 of Shin et al. 2018: altered labels, and the images generated from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from benchbed import SliceView, draw_tile_rows
from benchbed_pix2pix3d.surgery import Codes


def draw_alterations(
    maps: Iterable[Codes], images: Iterable[Tensor], tumour: Sequence[int]
) -> npt.NDArray[np.uint8]:
    """Draw a row for each label map: the labels, then the sequences.

    Each row shows the axial slice through its own tumour, which a shift or transplant moves.

    Args:
        maps: Codes ``(D, H, W)``, such as unchanged, shifted, enlarged, shrunk, transplanted.
        images: ``(C, D, H, W)`` in [-1, 1] for each label map.
        tumour: Codes of the tumour.

    Returns:
        ``(H', W', 3)``.
    """
    rows = []
    for codes, image in zip(maps, images, strict=True):
        view = SliceView.through_centroid(codes, tumour)
        rows.append(
            [view.render_labels(codes), *(view.render_image(sequence) for sequence in image)]
        )
    return draw_tile_rows(rows)
