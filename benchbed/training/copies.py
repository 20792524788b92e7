"""A process that a plugin forked, and that came back as a second copy of the run."""

from __future__ import annotations

import os


def end_if_copy(owner: int, who: str) -> None:
    """End this process at once if it is not the one that the run began in.

    A copy would train, and write, what the run trains and writes.

    Args:
        owner: Number of the process that the run began in.
        who: The method that is at work.
    """
    if os.getpid() != owner:
        words = (
            f"{who} forked a process that continued as a second copy of the run. The copy is "
            "terminated.\n"
        )
        os.write(2, words.encode())
        os._exit(1)
