"""Metrics that misbehave."""

import os
import sys


def raises(inputs):
    """A bug."""
    raise ValueError("the metric has a bug")


def leaves(inputs):
    """Say that all is well, and leave."""
    sys.exit(0)


def talks(inputs):
    """Write to stdout in two ways."""
    print("I am the metric")
    os.write(1, b"below python\n")
    return 1.0


def is_infinite(inputs):
    """A value beyond all numbers."""
    return float("inf")


def is_no_number(inputs):
    """A value that is none."""
    return float("nan")
