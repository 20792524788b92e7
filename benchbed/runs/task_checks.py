"""Which tasks a dataset can be used for, by the checks that a run makes."""

from __future__ import annotations

from collections.abc import Mapping

from benchbed.api.specs import MethodSpec, MetricSpec, TaskSpec
from benchbed.data.sources.cases import Collection
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import get_registry
from benchbed.runs.validate import (
    check_case_counts,
    check_reference_split,
    check_required_inputs,
)


def find_task_problems(collection: Collection) -> dict[str, str]:
    """Check every task with its usual metrics, as a run does before training.

    Args:
        collection: Examined cases.

    Returns:
        Task to the reason for which a run of it is refused; empty if some method can be run.
    """
    return {
        name: _find_problem(task, collection)
        for name, task in get_registry().get_specs(TaskSpec).items()
        if collection.spec.dimensions == 2 or task.volume_metrics
    }


def describe_tasks(problems: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the accepted tasks, and the reasons for which others are refused, to be shown."""
    return {
        "tasks": [name for name, problem in problems.items() if not problem],
        "tasks refused": [f"{name}: {problem}" for name, problem in problems.items() if problem],
    }


def _find_problem(task: TaskSpec, collection: Collection) -> str:
    registry = get_registry()
    names = task.metrics if collection.spec.dimensions == 2 else task.volume_metrics
    metrics = [registry.get_spec(MetricSpec, name) for name in names]
    methods = [
        method
        for method in registry.get_specs(MethodSpec).values()
        if method.capabilities & task.capabilities
        and method.is_trainable
        and collection.spec.dimensions in method.dimensions
    ]
    problem = f"No method for the task {task.name} and this kind of data is installed."
    # The methods with the most needs come first, so that the reason is that of the last.
    for method in sorted(methods, key=lambda method: -len(method.required_inputs)):
        try:
            check_reference_split(task, collection)
            check_required_inputs(method, task, collection, pseudo_labels=False)
            check_case_counts(task, metrics, collection)
        except BenchbedError as error:
            problem = str(error)
        else:
            return ""
    return problem
