"""Metrics that misbehave."""

import os
import sys


def raises(inputs):
    raise ValueError("the metric has a bug")


def exits(inputs):
    sys.exit(0)


def prints(inputs):
    print("printed by the metric")
    os.write(1, b"printed by os.write\n")
    return 1.0


def is_infinite(inputs):
    return float("inf")


def is_nan(inputs):
    return float("nan")
