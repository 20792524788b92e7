"""Names to specs, and specs to what implements them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from threading import RLock
from typing import Any, TypeVar

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec, Spec, TaskSpec
from benchbed.aside import stdout_aside
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
                f"The {word} {name!r} is unavailable because its plugin {suspect.name!r} "
                f"({suspect.distribution}) is broken: {suspect.error}. Run `benchbed doctor` "
                "for details."
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
        BenchbedError: The module or the object cannot be imported; the text names its plugin.
    """
    module, _, name = target.partition(":")
    # Threads that read cases ask again and again, and stdout is one for all of them.
    if hasattr(there := sys.modules.get(module), name):
        return getattr(there, name)
    with at_work(target, "cannot be imported"):
        return getattr(import_module(module), name)


_ALONE = RLock()
"""Held by the thread that has put stdout aside."""


@contextmanager
def at_work(target: str, wrong: str) -> Iterator[None]:
    """Inside, code of a plugin is at work: it cannot end the process, nor write to stdout.

    Args:
        target: What is imported or called, as ``"module:object"``.
        wrong: What is said of it where it raises, such as ``"cannot be imported"``.

    Raises:
        BenchbedError: It raised something, or called `sys.exit`; the text names its plugin.
    """
    plugin = _plugin_of(target)
    name = target if plugin is None else plugin.name
    with _ALONE, stdout_aside(name):
        try:
            yield
        except BenchbedError:
            raise
        except (Exception, SystemExit) as error:
            owner = f" of the plugin {name!r} ({plugin.distribution})" if plugin else ""
            raise BenchbedError(
                f"{target!r}{owner} {wrong} ({_said(error)}). Run `benchbed doctor` for details."
            ) from error


def _plugin_of(target: str) -> Plugin | None:
    """The plugin in whose package a module lies."""
    package = re.split("[.:]", target)[0]
    mine = (p for p in registry().plugins if re.split("[.:]", p.module)[0] == package)
    return next(mine, None)


def _said(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"sys.exit({'' if error.code is None else repr(error.code)}) was called"
    return " ".join(f"{type(error).__name__}: {error}".split())
