"""Conversion of a method's state to plain tensors, the format of archives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from benchbed.api.method import Method
from benchbed.api.settings import MethodSettings
from benchbed.api.specs import MethodSpec
from benchbed.api.types import DataShape
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import load_object as imported

MAX_HEADER_BYTES = 2**20
"""Size limit of the safetensors header, in addition to about 1 KiB per tensor."""

MIN_STORED_VALUES = 1024
"""An integer tensor with at least this many values is stored data, not a counter."""


def flatten_state(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of `Method.get_state` under the names of ``Method.state_dict``.

    A tensor of the method itself has a name without a dot; a tensor of a network or EMA has the
    attribute name and a dot as its prefix.

    Raises:
        BenchbedError: A network's state contains something other than tensors.
    """
    result = _name_values(state)
    for name, value in result.items():
        if not isinstance(value, Tensor):
            raise BenchbedError(
                f"The network state {name!r} is a {type(value).__name__}, not a tensor. This "
                "method cannot be exported."
            )
    # Copied, since networks may share tensors, which safetensors rejects.
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in result.items()}


def unflatten_tensors(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """Return the ``modules`` and ``own`` parts of a state from its flat tensors."""
    own = {name: tensor for name, tensor in tensors.items() if "." not in name}
    modules: dict[str, Any] = {}
    for name, tensor in tensors.items():
        child, dot, rest = name.partition(".")
        if dot:
            modules.setdefault(child, {})[rest] = tensor
    return {"modules": modules, "own": own}


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Return tensors as a safetensors file; equal tensors give equal bytes.

    Raises:
        BenchbedError: safetensors does not support a tensor's type.
    """
    try:
        return save(dict(tensors), metadata={"format": "pt"})
    except SafetensorError as error:
        raise BenchbedError(f"The weights cannot be written as safetensors ({error}).") from error


def from_bytes(content: bytes) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file; it cannot execute code.

    Raises:
        BenchbedError: It is not a valid file.
    """
    try:
        return dict(load(content))
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise BenchbedError(f"the weights are not a valid safetensors file ({error})") from error


def build_expected_tensors(
    spec: MethodSpec, settings: MethodSettings, shape: DataShape
) -> dict[str, Tensor]:
    """Return the tensors that a method has when built for this shape, without values.

    They are built on the meta device: a shape in an archive cannot allocate memory.
    """
    method: Method[Any] = imported(spec.implementation)(settings)
    method.data = shape
    with torch.device("meta"):
        method.build(shape)
    return _name_values(method.get_state())


def _name_values(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of `Method.get_state` under the names of ``Method.state_dict``."""
    values = dict(state["own"])
    for child, tensors in state["modules"].items():
        values |= {f"{child}.{name}": value for name, value in tensors.items()}
    return values


def compute_max_bytes(expected: Mapping[str, Tensor]) -> int:
    """Return the maximum size in bytes of a safetensors file with these tensors."""
    header = sum(1024 + len(name) for name in expected)
    data = sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
    return MAX_HEADER_BYTES + header + data


def find_mismatch(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str | None:
    """Return the first difference between the tensors and the expected ones, or None."""
    if missing := sorted(expected.keys() - tensors.keys()):
        return (
            f"{missing[0]!r} is missing in the weights ({len(missing)} of {len(expected)} tensors)"
        )
    if extra := sorted(tensors.keys() - expected.keys()):
        return f"the weights contain {extra[0][:80]!r}, which the method does not have"
    for name, tensor in expected.items():
        if tensors[name].shape != tensor.shape:
            actual, needed = (" x ".join(map(str, t.shape)) for t in (tensors[name], tensor))
            return f"{name} has shape {actual or 'of a number'}, expected {needed or 'of a number'}"
        if tensors[name].dtype != tensor.dtype:
            return f"{name} has dtype {tensors[name].dtype}, expected {tensor.dtype}"
    return None


def find_stored_tensors(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of tensors that store data, such as masks of training cases."""
    return sorted(
        name
        for name, tensor in tensors.items()
        if not tensor.is_floating_point() and tensor.numel() >= MIN_STORED_VALUES
    )
