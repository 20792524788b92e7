"""Runs ``benchbed`` again and again in fresh processes that need not load torch anew.

A process of its own, which has loaded everything and computes nothing: each command is a fork of
it, as alone in the world as one that was started by a shell, and as mortal. It reads jobs from
stdin and answers on stdout, a line of JSON each.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

EVENTS = frozenset(
    {
        "open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "os.truncate",
        "tempfile.mkstemp", "tempfile.mkdtemp", "shutil.rmtree",
    }
)  # fmt: skip
"""What Python tells of files that are about to be opened, made, renamed or removed."""


seen = 0
"""File operations so far."""


def die_at(number: int, places: list[str]) -> None:
    """Kill this process just before its file operation `number` in one of the folders."""
    told = os.dup(1)  # a run puts stdout aside

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        global seen  # noqa: PLW0603
        if event not in EVENTS or not arguments:
            return
        if not str(arguments[0]).startswith(tuple(places)):
            return
        seen += 1
        if seen == number:
            os.write(told, f"killed before {event} {arguments[0]}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def child(job: dict[str, Any]) -> None:
    """Become ``benchbed`` with the words of the job."""
    os.setsid()
    output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    separate = os.open(job["stdout"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((nothing, 0), (separate, 1), (output, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.path[:0] = [p for p in job["environment"].get("PYTHONPATH", "").split(os.pathsep) if p]
    sys.argv = ["benchbed", *job["words"]]
    os.chdir(job["folder"])
    code = 1
    try:
        if job["die_at"]:
            die_at(job["die_at"], job["places"])
        from benchbed.cli.main import main
        from benchbed.registry.lookup import get_registry

        get_registry.cache_clear()  # it was filled before this environment was there
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        if job["die_at"]:
            print(f"{seen} file operations")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def over(pid: int, seconds: float) -> int | None:
    """The exit code of a child, minus the signal that ended it, or None if it takes longer."""
    last = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > last:
            return None
        time.sleep(0.005)


def serve() -> None:
    """Answer jobs until stdin ends."""
    import torch

    import benchbed.cli.run_command
    import benchbed.metrics.memorisation
    import benchbed.metrics.swd
    import benchbed.report.write
    import benchbed.runs.execute
    import benchbed.tasks.synthesis  # noqa: F401
    from benchbed.metrics.features.untrained import create_random_extractor

    torch.set_num_threads(1)
    create_random_extractor()  # draws its weights once for all
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            answer = over(job["wait"], job["seconds"])
        elif (answer := os.fork()) == 0:
            child(job)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
