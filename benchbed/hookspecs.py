"""The four hooks by which a plugin offers what it has."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec, TaskSpec

GROUP = "benchbed"
"""The entry-point group, and the name of the pluggy project."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def benchbed_methods() -> Iterable[MethodSpec]:  # type: ignore[empty-body]
    """The methods that this plugin offers."""


@hookspec
def benchbed_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """The data sets that this plugin offers."""


@hookspec
def benchbed_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """The metrics that this plugin offers."""


@hookspec
def benchbed_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """The tasks that this plugin offers."""
