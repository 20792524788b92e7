"""A method's state as plain tensors: what of a checkpoint may travel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from benchbed.api.method import Method
from benchbed.api.specs import MethodSpec
from benchbed.api.types import DataShape
from benchbed.errors import BenchbedError
from benchbed.registry import load as imported
from benchbed.settings import MethodSettings

HEADER_BYTES = 2**20
"""Room for what safetensors writes before the tensors, beside a few hundred bytes for each."""

STORED = 1024
"""A tensor of whole numbers with so many of them is no counter: it stores something."""


def flat(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of what `Method.state` returns, under the names of ``Method.state_dict``.

    A tensor of the method itself has a name without a point, one of its networks or averages
    begins with that network's name and a point.

    Raises:
        BenchbedError: A network keeps something that is no tensor.
    """
    found = dict(state["own"])
    for child, tensors in state["modules"].items():
        found |= {f"{child}.{name}": tensor for name, tensor in tensors.items()}
    for name, value in found.items():
        if not isinstance(value, Tensor):
            raise BenchbedError(
                f"The network state {name!r} is a {type(value).__name__}, not a tensor. This "
                "method cannot be exported."
            )
    # A copy each: networks may share tensors, and safetensors takes none that do.
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in found.items()}


def nested(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """The parts ``modules`` and ``own`` of a state from its flat tensors."""
    own = {name: tensor for name, tensor in tensors.items() if "." not in name}
    modules: dict[str, Any] = {}
    for name, tensor in tensors.items():
        child, point, rest = name.partition(".")
        if point:
            modules.setdefault(child, {})[rest] = tensor
    return {"modules": modules, "own": own}


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors as a safetensors file: the same bytes for the same tensors.

    Raises:
        BenchbedError: They are of a kind that it has no word for.
    """
    try:
        return save(dict(tensors), metadata={"format": "pt"})
    except SafetensorError as error:
        raise BenchbedError(f"The weights cannot be written as safetensors ({error}).") from error


def from_bytes(content: bytes) -> dict[str, Tensor]:
    """Tensors from a safetensors file; nothing in it is executed.

    Raises:
        BenchbedError: It is none.
    """
    try:
        return dict(load(content))
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise BenchbedError(f"the weights are not a valid safetensors file ({error})") from error


def wanted(spec: MethodSpec, settings: MethodSettings, shape: DataShape) -> dict[str, Tensor]:
    """The tensors of a method that is freshly built for this shape, without their values.

    No memory is taken, so that an archive cannot ask for more than it brings.
    """
    method: Method[Any] = imported(spec.implementation)(settings)
    method.data = shape
    with torch.device("meta"):
        method.build(shape)
    state = method.state()
    found = dict(state["own"])
    for child, tensors in state["modules"].items():
        found |= {f"{child}.{name}": tensor for name, tensor in tensors.items()}
    return found


def largest(expected: Mapping[str, Tensor]) -> int:
    """Most bytes that a safetensors file with these tensors has."""
    room = sum(1024 + len(name) for name in expected)
    sizes = sum(tensor.numel() * tensor.element_size() for tensor in expected.values())
    return HEADER_BYTES + room + sizes


def misfit(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str | None:
    """In what tensors differ from those that a method has, or None."""
    if missing := sorted(expected.keys() - tensors.keys()):
        return (
            f"{missing[0]!r} is missing in the weights ({len(missing)} of {len(expected)} tensors)"
        )
    if more := sorted(tensors.keys() - expected.keys()):
        return f"the weights contain {more[0][:80]!r}, which the method does not have"
    for name, tensor in expected.items():
        if tensors[name].shape != tensor.shape:
            given, due = (" x ".join(map(str, t.shape)) for t in (tensors[name], tensor))
            return f"{name} has shape {given or 'of a number'}, expected {due or 'of a number'}"
        if tensors[name].dtype != tensor.dtype:
            return f"{name} has dtype {tensors[name].dtype}, expected {tensor.dtype}"
    return None


def stored(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names of tensors that are no weights but keep something, such as masks of training cases."""
    return sorted(
        name
        for name, tensor in tensors.items()
        if not tensor.is_floating_point() and tensor.numel() >= STORED
    )
