"""The registry: names to specs, and specs to their implementations."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from threading import RLock
from typing import Any, TypeVar

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec, Spec, TaskSpec
from benchbed.errors import BenchbedError, make_unknown_error
from benchbed.registry.discovery import Plugin, find_plugins, format_kind
from benchbed.utils.stdout import redirect_plugin_stdout

SpecT = TypeVar("SpecT", MethodSpec, DatasetSpec, MetricSpec, TaskSpec)


@dataclass(frozen=True)
class Registry:
    """All specs of the installed plugins.

    Attributes:
        plugins: The plugins, broken ones included.
    """

    plugins: tuple[Plugin, ...]

    def get_specs(self, kind: type[SpecT]) -> dict[str, SpecT]:
        """Return all specs of one kind by name, in alphabetical order."""
        specs = {s.name: s for p in self.plugins for s in p.specs if isinstance(s, kind)}
        return dict(sorted(specs.items()))

    def get_spec(self, kind: type[SpecT], name: str) -> SpecT:
        """Return the spec called `name`.

        Raises:
            BenchbedError: There is none; the text names the nearest match, or the broken plugins
                that may define it.
        """
        specs = self.get_specs(kind)
        if name in specs:
            return specs[name]
        kind_name = format_kind(kind)
        suspect = self._find_broken_plugin(name)
        if suspect is not None:
            raise BenchbedError(
                f"The {kind_name} {name!r} is unavailable because its plugin {suspect.name!r} "
                f"({suspect.distribution}) is broken: {suspect.error}. Run `benchbed doctor` "
                "for details."
            )
        unknown = make_unknown_error(kind_name, name, specs, f"benchbed list {kind_name}s")
        broken = "; ".join(f"{plugin.name!r} ({plugin.error})" for plugin in self.broken_plugins)
        raise BenchbedError(f"{unknown} Broken plugins: {broken}.") if broken else unknown

    def group_datasets(self) -> list[tuple[DatasetSpec, ...]]:
        """Return every dataset with its variants after it, in alphabetical order.

        Variants of a dataset that is not installed are in groups of their own.
        """
        specs = self.get_specs(DatasetSpec)
        # In the order of the plugin, which may be that of sizes.
        variants = [s for p in self.plugins for s in p.specs if isinstance(s, DatasetSpec)]
        return [
            (spec, *(other for other in variants if other.variant_of == spec.name))
            for spec in specs.values()
            if spec.variant_of not in specs
        ]

    def find_plugin(self, spec: Spec) -> Plugin:
        """Return the plugin that defines `spec`."""
        return next(plugin for plugin in self.plugins if spec in plugin.specs)

    @property
    def broken_plugins(self) -> tuple[Plugin, ...]:
        """Plugins that failed to load."""
        return tuple(plugin for plugin in self.plugins if plugin.error is not None)

    def _find_broken_plugin(self, name: str) -> Plugin | None:
        """Return the broken plugin whose name, module or distribution contains `name`."""
        plain = name.replace("-", "").replace("_", "").lower()
        for plugin in self.broken_plugins:
            text = f"{plugin.name} {plugin.module} {plugin.distribution}"
            if plain in text.replace("-", "").replace("_", "").lower():
                return plugin
        return None


@cache
def get_registry() -> Registry:
    """Return the registry of this process; plugins are searched once."""
    return Registry(find_plugins())


def load_object(target: str) -> Any:
    """Import and return the object named ``"module:object"``.

    Raises:
        BenchbedError: The module or object cannot be imported; the text names its plugin.
    """
    module, _, name = target.partition(":")
    # Skip the lock for loaded objects: threads that read cases call this for each case.
    if hasattr(loaded := sys.modules.get(module), name):
        return getattr(loaded, name)
    with wrap_plugin_call(target, "cannot be imported"):
        return getattr(import_module(module), name)


_STDOUT_LOCK = RLock()
"""Held while stdout is redirected, since all threads share it."""


@contextmanager
def wrap_plugin_call(target: str, failure: str) -> Iterator[None]:
    """Run code of a plugin: it can neither end the process nor write to stdout.

    `target` is what is imported or called, as ``"module:object"``; `failure` completes the message.

    Raises:
        BenchbedError: It raised an exception or called `sys.exit`; the text names its plugin.
    """
    plugin = _find_target_plugin(target)
    name = target if plugin is None else plugin.name
    with _STDOUT_LOCK, redirect_plugin_stdout(name):
        try:
            yield
        except BenchbedError:
            raise
        except (Exception, SystemExit) as error:
            owner = f" of the plugin {name!r} ({plugin.distribution})" if plugin else ""
            raise BenchbedError(
                f"{target!r}{owner} {failure} ({_format_error(error)}). Run `benchbed doctor` for "
                "details."
            ) from error


def _find_target_plugin(target: str) -> Plugin | None:
    package = re.split("[.:]", target)[0]
    owners = (p for p in get_registry().plugins if re.split("[.:]", p.module)[0] == package)
    return next(owners, None)


def _format_error(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"sys.exit({'' if error.code is None else repr(error.code)}) was called"
    return " ".join(f"{type(error).__name__}: {error}".split())
