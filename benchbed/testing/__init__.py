"""Conformance checks: whether a plugin matches its spec.

``benchbed check NAME`` prints the checks. A plugin's own tests run them through pytest::

    @pytest.mark.benchbed("my-method")
    def test_conformance(benchbed_check):
        benchbed_check()
"""

from benchbed.testing.check import CheckOutcome, PluginCheck
from benchbed.testing.runner import list_checks, run_check

__all__ = ["CheckOutcome", "PluginCheck", "list_checks", "run_check"]
