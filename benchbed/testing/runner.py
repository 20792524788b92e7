"""List and run the conformance checks of a plugin."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.errors import BenchbedError, make_unknown_error
from benchbed.registry.lookup import get_registry
from benchbed.testing.check import CheckFailed, CheckOutcome, CheckSkipped, PluginCheck


def list_checks(name: str) -> list[PluginCheck]:
    """Return the checks of a method or dataset, without running them.

    Raises:
        BenchbedError: No method or dataset has this name.
    """
    registry = get_registry()
    methods, datasets = registry.get_specs(MethodSpec), registry.get_specs(DatasetSpec)
    if name in methods:
        from benchbed.testing import augmentation_checks, method_checks, training_checks
        from benchbed.testing.subject import MethodUnderTest

        subject = MethodUnderTest(methods[name])
        functions = list(method_checks.CHECKS)
        if methods[name].is_trainable:
            functions += training_checks.CHECKS
        if methods[name].takes_augmentation:
            functions += augmentation_checks.CHECKS
        return [_make_check(function, name, subject) for function in functions]
    if name in datasets:
        from benchbed.testing import dataset_checks

        return [_make_check(f, name, datasets[name]) for f in dataset_checks.CHECKS]
    if registry.broken_plugins:
        registry.get_spec(MethodSpec, name)
    raise make_unknown_error(
        "method or dataset", name, [*methods, *datasets], "benchbed list methods"
    )


def run_check(check: PluginCheck) -> CheckOutcome:
    """Run one check and return its outcome, also for an unexpected error."""
    try:
        remark = check.function()
    except CheckSkipped as reason:
        return CheckOutcome(check, "skipped", str(reason))
    except (CheckFailed, BenchbedError) as reason:
        return CheckOutcome(check, "failed", str(reason))
    except Exception as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return CheckOutcome(check, "failed", text, traceback.format_exc())
    return CheckOutcome(check, "passed", remark or "")


def _make_check(function: Callable[[Any], str | None], name: str, subject: Any) -> PluginCheck:
    purpose = (function.__doc__ or "").strip().splitlines()[0]
    return PluginCheck(
        function.__name__.removeprefix("check_").replace("_", "-"),
        name,
        purpose,
        lambda: function(subject),
    )
