"""Field of view of generated images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def compute_common_fov(fovs: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    """Repeat the pixels inside most real fields of view for `count` generated images.

    Args:
        fovs: Fields of view of real images, ``(N, H, W)`` in {0, 1}.
        count: Number of generated images.

    Returns:
        ``(count, H, W)`` in {0, 1}, read-only.
    """
    common = (np.mean(fovs, axis=0) > 0.5).astype(np.uint8)
    return np.broadcast_to(common, (count, *common.shape))
