"""Guard against plugins that fork a second copy of the run."""

from __future__ import annotations

import os


def terminate_if_forked(owner: int, who: str) -> None:
    """Terminate this process if it is not the one in which the run began.

    A forked copy would train and write the same run a second time.
    """
    if os.getpid() != owner:
        message = (
            f"{who} forked a process that continued as a second copy of the run. The copy is "
            "terminated.\n"
        )
        os.write(2, message.encode())
        os._exit(1)
