"""Names to specs, and specs to what implements them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec, Spec, TaskSpec
from benchbed.errors import BenchbedError, unknown
from benchbed.plugins import Plugin, discover

S = TypeVar("S", MethodSpec, DatasetSpec, MetricSpec, TaskSpec)

_KINDS: Mapping[type[Any], str] = {
    MethodSpec: "method",
    DatasetSpec: "dataset",
    MetricSpec: "metric",
    TaskSpec: "task",
}


@dataclass(frozen=True)
class Registry:
    """Everything that the plugins of this machine offer.

    Attributes:
        plugins: The plugins, broken ones included.
    """

    plugins: tuple[Plugin, ...]

    def specs(self, kind: type[S]) -> dict[str, S]:
        """All specs of one kind by name, in alphabetical order."""
        found = {s.name: s for p in self.plugins for s in p.specs if isinstance(s, kind)}
        return dict(sorted(found.items()))

    def spec(self, kind: type[S], name: str) -> S:
        """The spec called `name`.

        Raises:
            BenchbedError: There is none; the text names the nearest one, or the broken plugin
                that would have offered it.
        """
        found = self.specs(kind)
        if name in found:
            return found[name]
        word = _KINDS[kind]
        suspect = self._suspect(name)
        if suspect is not None:
            raise BenchbedError(
                f"The {word} {name!r} is not there because its plugin {suspect.name!r} "
                f"({suspect.distribution}) is broken: {suspect.error}. See `benchbed doctor`."
            )
        raise unknown(word, name, found, f"benchbed list {word}s")

    def origin(self, spec: Spec) -> Plugin:
        """The plugin that offers `spec`."""
        return next(plugin for plugin in self.plugins if spec in plugin.specs)

    @property
    def broken(self) -> tuple[Plugin, ...]:
        """The plugins that were set aside."""
        return tuple(plugin for plugin in self.plugins if plugin.error is not None)

    def _suspect(self, name: str) -> Plugin | None:
        """The broken plugin whose name, module or distribution speaks of `name`."""
        plain = name.replace("-", "").replace("_", "").lower()
        for plugin in self.broken:
            text = f"{plugin.name} {plugin.module} {plugin.distribution}"
            if plain in text.replace("-", "").replace("_", "").lower():
                return plugin
        return None


@cache
def registry() -> Registry:
    """The registry of this process; the plugins are looked for once."""
    return Registry(discover())


def load(target: str) -> Any:
    """The object that ``"module:object"`` names; imports its module.

    Raises:
        BenchbedError: The module or the object cannot be imported.
    """
    module, _, name = target.partition(":")
    try:
        return getattr(import_module(module), name)
    except Exception as error:
        raise BenchbedError(
            f"{target!r} cannot be imported ({type(error).__name__}: {error}). "
            f"See `benchbed doctor`."
        ) from error
