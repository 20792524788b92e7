"""The accelerators of this machine that runs beside each other are shared out over."""

from __future__ import annotations

import os


def accelerators() -> list[str]:
    """The CUDA devices that this process sees, as ``CUDA_VISIBLE_DEVICES`` names them."""
    # Only torch knows whether it can use them.
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named:
        return [name.strip() for name in named.split(",")][:count]
    return [str(number) for number in range(count)]
