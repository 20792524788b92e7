"""Definition and execution of conformance checks."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.errors import BenchbedError, unknown
from benchbed.registry import registry

State = Literal["passed", "failed", "skipped"]


class Failed(Exception):
    """Raised if the plugin does not match its spec; the text is the reason."""


class Skipped(Exception):
    """Raised if a check does not apply; the text is the reason."""


@dataclass(frozen=True)
class Check:
    """One check of one plugin.

    Attributes:
        name: Short name, words joined by hyphens.
        subject: Name of the method or dataset.
        purpose: What a passed check means.
        function: Raises `CheckFailed` or `CheckSkipped`; returns a remark to show, or None.
    """

    name: str
    subject: str
    purpose: str
    function: Callable[[], str | None]

    def __str__(self) -> str:
        return f"{self.subject}:{self.name}"


@dataclass(frozen=True)
class Outcome:
    """Result of a check."""

    check: Check
    state: State
    text: str = ""
    details: str = ""


def checks_of(name: str) -> list[Check]:
    """Return the checks of a method or dataset, without running them.

    Raises:
        BenchbedError: No method or dataset has this name.
    """
    known = registry()
    methods, datasets = known.specs(MethodSpec), known.specs(DatasetSpec)
    if name in methods:
        from benchbed.testing import method_checks, method_training_checks
        from benchbed.testing.subject import Subject

        subject = Subject(methods[name])
        functions = list(method_checks.CHECKS)
        if methods[name].trains:
            functions += method_training_checks.CHECKS
        return [_check(function, name, subject) for function in functions]
    if name in datasets:
        from benchbed.testing import dataset_checks

        return [_check(f, name, datasets[name]) for f in dataset_checks.CHECKS]
    if known.broken:
        known.spec(MethodSpec, name)
    raise unknown("method or dataset", name, [*methods, *datasets], "benchbed list methods")


def run_check(check: Check) -> Outcome:
    """Run one check and return its outcome, also for an unexpected error."""
    try:
        remark = check.function()
    except Skipped as reason:
        return Outcome(check, "skipped", str(reason))
    except Failed as reason:
        return Outcome(check, "failed", str(reason))
    except BenchbedError as reason:
        return Outcome(check, "failed", str(reason))
    except Exception as error:
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        return Outcome(check, "failed", text, traceback.format_exc())
    return Outcome(check, "passed", remark or "")


def _check(function: Callable[[Any], str | None], name: str, subject: Any) -> Check:
    purpose = (function.__doc__ or "").strip().splitlines()[0]
    return Check(function.__name__.replace("_", "-"), name, purpose, lambda: function(subject))
