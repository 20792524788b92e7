"""Every built-in method and dataset passes its checks."""

from __future__ import annotations

import pytest

from benchbed.api.specs import DatasetSpec, MethodSpec
from benchbed.registry.lookup import get_registry
from benchbed.testing import PluginCheck, list_checks, run_check

EXCEPTIONS: dict[str, str] = {}
"""Checks that a built-in plugin may fail, as ``name:check``, each with its reason."""

CHECKS = [
    check
    for kind in (MethodSpec, DatasetSpec)
    for name, spec in get_registry().get_specs(kind).items()
    # Variants differ from their dataset in size alone.
    if getattr(spec, "variant_of", None) is None
    for check in list_checks(name)
]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_builtin_plugins_pass_their_checks(check: PluginCheck) -> None:
    outcome = run_check(check)
    if outcome.state == "skipped":
        pytest.skip(outcome.text)
    if str(check) in EXCEPTIONS:
        assert outcome.state == "failed", f"{check} passes; remove it from EXCEPTIONS"
        pytest.xfail(EXCEPTIONS[str(check)])
    assert outcome.state == "passed", f"{outcome.text}\n{outcome.details}"


def test_exceptions_name_existing_checks_and_reasons() -> None:
    assert EXCEPTIONS.keys() <= {str(check) for check in CHECKS}
    assert all(len(reason) > 20 for reason in EXCEPTIONS.values())
