"""Plugin discovery through entry points; a broken plugin is disabled and reported."""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any

import pluggy

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec, Spec, TaskSpec
from benchbed.registry import hooks
from benchbed.utils.stdout import redirect_plugin_stdout

HOOKS: dict[str, type[Any]] = {
    "benchbed_methods": MethodSpec,
    "benchbed_datasets": DatasetSpec,
    "benchbed_metrics": MetricSpec,
    "benchbed_tasks": TaskSpec,
}
BUILTIN_MODULE = "benchbed.registry.builtin"


@dataclass(frozen=True)
class Plugin:
    """A plugin found on this machine.

    Attributes:
        name: Name of the entry point.
        module: Module of the entry point.
        distribution: Distribution that installed it, with version.
        specs: Its specs.
        error: Why it is broken, or None. Its specs are then empty.
        details: Traceback of the error.
    """

    name: str
    module: str
    distribution: str
    specs: tuple[Spec, ...] = ()
    error: str | None = None
    details: str = ""


@dataclass
class _PluginLoader:
    """Loads plugins one by one; the first plugin that defines a name keeps it."""

    owners: dict[tuple[type, str], str] = field(default_factory=dict)

    def load(self, entry: EntryPoint, distribution: str) -> Plugin:
        # Plugins must not print to stdout, which scripts read.
        with redirect_plugin_stdout(entry.name):
            try:
                specs = _collect_specs(entry)
                self._register_specs(specs, f"{entry.name} ({distribution})")
            # A plugin may raise anything, SystemExit included; the others must still load.
            except (Exception, SystemExit) as error:
                reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
                return Plugin(
                    entry.name,
                    entry.value,
                    distribution,
                    error=reason,
                    details=traceback.format_exc(),
                )
            return Plugin(entry.name, entry.value, distribution, specs=specs)

    def _register_specs(self, specs: tuple[Spec, ...], origin: str) -> None:
        keys = [(type(spec), spec.name) for spec in specs]
        for position, (kind, name) in enumerate(keys):
            if (kind, name) in keys[:position]:
                raise ValueError(f"defines the {format_kind(kind)} {name!r} twice")
            if (kind, name) in self.owners:
                first = self.owners[kind, name]
                raise ValueError(f"the {format_kind(kind)} {name!r} is already defined by {first}")
        self.owners.update(dict.fromkeys(keys, origin))


def _collect_specs(entry: EntryPoint) -> tuple[Spec, ...]:
    """Collect the specs of one plugin, in a separate manager so that plugins cannot interact."""
    manager = pluggy.PluginManager(hooks.ENTRY_POINT_GROUP)
    manager.add_hookspecs(hooks)
    manager.register(entry.load(), name=entry.name)
    manager.check_pending()
    collected: list[Spec] = []
    for hook, kind in HOOKS.items():
        for specs in getattr(manager.hook, hook)():
            for spec in specs:
                if not isinstance(spec, kind):
                    raise TypeError(
                        f"{hook} returned a {type(spec).__name__}, expected a {kind.__name__}"
                    )
                collected.append(spec)
    if not collected:
        raise TypeError(f"provides nothing: none of {', '.join(HOOKS)} returned a spec")
    return tuple(collected)


def format_kind(kind: type) -> str:
    """Return the name of a kind of spec, such as ``"method"``."""
    return kind.__name__.removesuffix("Spec").lower()


@lru_cache
def _describe_distribution(distribution: Distribution | None) -> str:
    # Cached: every access to metadata reads the whole file, README included.
    if distribution is None:
        return "unknown distribution"
    metadata = distribution.metadata
    return f"{metadata['Name']} {metadata['Version']}"


def find_plugins() -> tuple[Plugin, ...]:
    """Find all plugins, the built-in one first, broken ones with their error.

    ``BENCHBED_PLUGINS`` restricts third-party plugins to a comma-separated list of entry points.
    """
    collector = _PluginLoader()
    built_in = EntryPoint(name="built-in", value=BUILTIN_MODULE, group=hooks.ENTRY_POINT_GROUP)
    entries = sorted(entry_points(group=hooks.ENTRY_POINT_GROUP), key=_get_sort_key)
    restriction = os.environ.get("BENCHBED_PLUGINS")
    if restriction is not None:
        allowed = {name.strip() for name in restriction.split(",")}
        entries = [entry for entry in entries if entry.name in allowed]
    plugins = [collector.load(built_in, "benchbed")]
    plugins += [collector.load(entry, _describe_distribution(entry.dist)) for entry in entries]
    return tuple(plugins)


def _get_sort_key(entry: EntryPoint) -> tuple[bool, str, str]:
    """Sort our own distribution first, so that a third party cannot take a name from it."""
    distribution = _describe_distribution(entry.dist)
    return (not distribution.startswith("benchbed "), distribution, entry.name)
