"""Conformance: is a plugin what its spec says?

``benchbed check NAME`` prints the checks as a list of ticks. A plugin's own tests run the same
checks through pytest::

    @pytest.mark.benchbed("my-method")
    def test_conformance(benchbed_check):
        benchbed_check()
"""

from benchbed.testing.checks import Check, Outcome, checks_of, run_check

__all__ = ["Check", "Outcome", "checks_of", "run_check"]
