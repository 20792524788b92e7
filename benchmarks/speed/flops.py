"""Floating-point operations as the dispatcher sees them: forward, backward, double backward."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class CountedFlops(TorchDispatchMode):
    """Counts the FLOPs of products and convolutions inside it; two for each multiply-add.

    torch's own ``FlopCounterMode`` also follows modules, which fails where a gradient is taken
    inside of a forward pass, as a gradient penalty does.

    Attributes:
        total: FLOPs so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call `func` and count it."""
        del types
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = func._overloadpacket
        if packet in flop_registry:
            self.total += flop_registry[packet](*args, **kwargs, out_val=out)
        return out
