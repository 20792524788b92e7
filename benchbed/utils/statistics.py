"""Limits of statistics that records and reports share with those who compute them."""

MIN_BOOTSTRAP_CASES = 14
"""Fewest cases for an interval.

From here on a nominal 95 % interval of a mean keeps at least 93 % of its coverage (0.884), as
`tests/reference/test_coverage.py` simulates: 9 normal cases suffice, exponential ones need 14.
"""
