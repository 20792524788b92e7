"""Phantoms that misbehave: at once, which is while a run is planned, or once it goes on."""

import os
import sys

from benchbed_example import discs

PLANNED = 64
"""The size in pixels that cases have while a run is planned."""


def raises(indices, size, seed):
    """A bug, in words of two lines."""
    raise ValueError("the phantom\nhas a bug")


def leaves(indices, size, seed):
    """Say that all is well, and leave."""
    sys.exit(0)


def talks(indices, size, seed):
    """Write to stdout in two ways."""
    print("I am the phantom")
    os.write(1, b"below python\n")
    return discs.render(indices, size, seed)


def gives_nothing(indices, size, seed):
    """Forget to return the cases."""


def gives_no_image(indices, size, seed):
    """Masks of nothing."""
    return {"mask": discs.render(indices, size, seed)["mask"]}


def gives_no_arrays(indices, size, seed):
    """Lists in the place of arrays."""
    return {"image": [1, 2, 3]}


def raises_late(indices, size, seed):
    """A bug that shows at other sizes."""
    return discs.render(indices, size, seed) if size == PLANNED else raises(indices, size, seed)


def leaves_late(indices, size, seed):
    """Leave from within a run."""
    return discs.render(indices, size, seed) if size == PLANNED else leaves(indices, size, seed)


def talks_late(indices, size, seed):
    """Talk from within a run."""
    return discs.render(indices, size, seed) if size == PLANNED else talks(indices, size, seed)
