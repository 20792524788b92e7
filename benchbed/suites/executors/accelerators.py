"""The accelerators of this machine that runs beside each other are shared out over."""

from __future__ import annotations

import os

from benchbed.errors import BenchbedError


def accelerators() -> list[str]:
    """The CUDA devices that this process sees, as ``CUDA_VISIBLE_DEVICES`` names them."""
    # Only torch knows whether it can use them.
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named:
        return [name.strip() for name in named.split(",")][:count]
    return [str(number) for number in range(count)]


def shared_out(device: str, jobs: int, devices: int) -> list[str]:
    """The accelerators that are shared out over runs; none where each run may see all there are.

    Args:
        device: What the user asks for: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
        jobs: How many runs go on at a time.
        devices: How many devices train a run together.

    Raises:
        BenchbedError: There are fewer than one run needs.
    """
    if device not in ("auto", "cuda"):
        if devices > 1 and device != "cpu":
            raise BenchbedError(
                f"--devices {devices} uses the first devices and cannot be combined with "
                f"--device {device}. Use one of the two options."
            )
        return []
    if jobs == devices == 1:
        return []
    found = accelerators()
    if devices > 1 and (found or device == "cuda") and len(found) < devices:
        raise BenchbedError(
            f"--devices {devices} is unavailable: torch detects {len(found)} CUDA devices. Run "
            "`benchbed doctor` for details."
        )
    return found if jobs > 1 else []
