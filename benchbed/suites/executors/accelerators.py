"""Assignment of this machine's accelerators to parallel runs."""

from __future__ import annotations

import os

from benchbed.errors import BenchbedError


def list_accelerators() -> list[str]:
    """Return the visible CUDA devices, as ``CUDA_VISIBLE_DEVICES`` names them."""
    import torch

    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible:
        return [name.strip() for name in visible.split(",")][:count]
    return [str(number) for number in range(count)]


def select_accelerators(device: str, jobs: int, devices: int) -> list[str]:
    """Return the accelerators to assign to runs; empty if each run may use all of them.

    Args:
        device: The device option: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
        jobs: Number of parallel runs.
        devices: Number of devices per run.

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
    found = list_accelerators()
    if devices > 1 and (found or device == "cuda") and len(found) < devices:
        raise BenchbedError(
            f"--devices {devices} is unavailable: torch detects {len(found)} CUDA devices. Run "
            "`benchbed doctor` for details."
        )
    return found if jobs > 1 else []
