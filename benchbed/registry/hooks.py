"""The four hooks through which a plugin provides specs."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from benchbed.api.specs import DatasetSpec, MethodSpec, MetricSpec, TaskSpec

ENTRY_POINT_GROUP = "benchbed"
"""Entry-point group, and name of the pluggy project."""

hookspec = pluggy.HookspecMarker(ENTRY_POINT_GROUP)
hookimpl = pluggy.HookimplMarker(ENTRY_POINT_GROUP)


@hookspec
def benchbed_methods() -> Iterable[MethodSpec]:  # type: ignore[empty-body]
    """List the methods of this plugin."""


@hookspec
def benchbed_datasets() -> Iterable[DatasetSpec]:  # type: ignore[empty-body]
    """List the datasets of this plugin."""


@hookspec
def benchbed_metrics() -> Iterable[MetricSpec]:  # type: ignore[empty-body]
    """List the metrics of this plugin."""


@hookspec
def benchbed_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """List the tasks of this plugin."""
