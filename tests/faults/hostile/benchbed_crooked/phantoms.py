"""Phantoms that misbehave during planning or, if late, during a run."""

import os
import sys

from benchbed_example import discs

PLANNING_SIZE = 64
"""Image size in pixels during planning."""


def raises(indices, size, seed):
    raise ValueError("the phantom\nhas a bug")


def exits(indices, size, seed):
    sys.exit(0)


def prints(indices, size, seed):
    print("printed by the phantom")
    os.write(1, b"printed by os.write\n")
    return discs.render(indices, size, seed)


def returns_nothing(indices, size, seed):
    """Return None."""


def returns_no_image(indices, size, seed):
    return {"mask": discs.render(indices, size, seed)["mask"]}


def returns_lists(indices, size, seed):
    return {"image": [1, 2, 3]}


def raises_late(indices, size, seed):
    return (
        discs.render(indices, size, seed) if size == PLANNING_SIZE else raises(indices, size, seed)
    )


def exits_late(indices, size, seed):
    return (
        discs.render(indices, size, seed) if size == PLANNING_SIZE else exits(indices, size, seed)
    )


def prints_late(indices, size, seed):
    return (
        discs.render(indices, size, seed) if size == PLANNING_SIZE else prints(indices, size, seed)
    )
