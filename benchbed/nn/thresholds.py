"""Thresholding of maps."""

from __future__ import annotations

import numpy as np
import torch
from skimage.filters import threshold_otsu
from torch import Tensor


def mask_above_otsu(maps: Tensor) -> Tensor:
    """Return which pixels exceed the Otsu threshold of their map (Otsu 1979).

    Args:
        maps: ``(B, C, H, W)``.

    Returns:
        Bool, same shape; all False for a constant map.
    """
    planes = maps.detach().float().cpu().numpy().reshape(-1, *maps.shape[2:])
    levels = np.asarray([threshold_otsu(plane) for plane in planes], dtype=np.float32)
    return maps > torch.from_numpy(levels).view(*maps.shape[:2], 1, 1).to(maps.device)
