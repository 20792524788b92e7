"""The field of view of images that have none of their own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def common_fov(fovs: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    """The pixels inside most of the fields of view, once for each of `count` made images.

    Args:
        fovs: Those of real images, ``(N, H, W)`` in {0, 1}.
        count: Number of made images.

    Returns:
        ``(count, H, W)`` in {0, 1}, read-only.
    """
    common = (np.mean(fovs, axis=0) > 0.5).astype(np.uint8)
    return np.broadcast_to(common, (count, *common.shape))
