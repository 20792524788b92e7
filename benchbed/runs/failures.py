"""Error messages of failed runs: the cause, the plugin at fault, and the remedy."""

from __future__ import annotations

import errno
import traceback

import torch

from benchbed.registry.lookup import get_registry
from benchbed.runs.plan import RunPlan
from benchbed.training.device import measure_peak_memory
from benchbed.utils.files import DISK_FULL_ERRNOS


def describe_failure(error: BaseException, plan: RunPlan, device: torch.device) -> str:
    """Return a description of an error, without a full stop."""
    if is_out_of_memory(error):
        return (
            f"out of memory: {_describe_memory_use(device)}; "
            f"{_suggest_reductions(plan)}{_format_location(error)}"
        )
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        return (
            f"{error.strerror}: {error.filename or plan.id}; free some disk space and repeat "
            "the command to resume from the last checkpoint"
        )
    if isinstance(error, SystemExit):
        return (
            f"sys.exit({'' if error.code is None else repr(error.code)}) was "
            f"called{_format_location(error)}"
        )
    words = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {words}' if words else ''}{_format_location(error)}"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that the host or a device is out of memory."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # torch raises a plain RuntimeError for it on a CPU.
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def describe_plugin_location(error: BaseException) -> str:
    """Return where in a plugin an error was raised, or an empty string if in none.

    Returns:
        For example ``"training_step of benchbed_example (lsgan.py, line 51)"``.
    """
    packages = {plugin.module.partition(".")[0] for plugin in get_registry().plugins} - {"benchbed"}
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package in packages:
            code = frame.f_code
            file = code.co_filename.replace("\\", "/").rpartition("/")[2]
            return f"{code.co_name} of {package} ({file}, line {line})"
    return ""


def _format_location(error: BaseException) -> str:
    location = describe_plugin_location(error)
    return f", in {location}" if location else ""


def _describe_memory_use(device: torch.device) -> str:
    owner = "the process" if device.type == "cpu" else f"the device {device}"
    return f"{owner} used at most {measure_peak_memory(device) / 2**30:.1f} GiB"


def _suggest_reductions(plan: RunPlan) -> str:
    """Return the options to reduce, with their current values."""
    batch, protocol = int(plan.settings.model_dump()["batch_size"]), plan.protocol
    options = [f"--set batch_size={batch // 2} (now {batch})"] if batch > 1 else []
    options.append(f"--size (now {protocol.size})")
    options += [f"--samples (now {protocol.samples})"] if protocol.samples else []
    return f"reduce {', '.join(options[:-1])}{' or ' if options[:-1] else ''}{options[-1]}"
