"""Runs ``benchbed`` in forked processes, so that torch is imported only once.

This process imports everything and computes nothing. Each command is a fork of it in a separate
session, as if started by a shell. It reads jobs from stdin and writes results to stdout, one line
of JSON each.
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
"""Audit events before files are opened, created, renamed or removed."""


operation_count = 0
"""Number of file operations so far."""


def die_at(number: int, folders: list[str]) -> None:
    """Kill this process just before its file operation `number` in one of the folders."""
    stdout = os.dup(1)  # because a run redirects stdout

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        global operation_count  # noqa: PLW0603
        if event not in EVENTS or not arguments:
            return
        if not str(arguments[0]).startswith(tuple(folders)):
            return
        operation_count += 1
        if operation_count == number:
            os.write(stdout, f"killed before {event} {arguments[0]}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def run_benchbed(job: dict[str, Any]) -> None:
    """Run ``benchbed`` with the arguments of the job in this process."""
    os.setsid()
    stderr = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    stdin = os.open(os.devnull, os.O_RDONLY)
    stdout = os.open(job["stdout"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for source, target in ((stdin, 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.path[:0] = [p for p in job["environment"].get("PYTHONPATH", "").split(os.pathsep) if p]
    sys.argv = ["benchbed", *job["arguments"]]
    os.chdir(job["folder"])
    code = 1
    try:
        if job["die_at"]:
            die_at(job["die_at"], job["folders"])
        from benchbed.cli.main import main
        from benchbed.registry.lookup import get_registry

        get_registry.cache_clear()  # filled with the environment of the parent process
        main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        if job["die_at"]:
            print(f"{operation_count} file operations")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait_for_child(pid: int, seconds: float) -> int | None:
    """Return the exit code of a child, minus its signal, or None after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            return None
        time.sleep(0.005)


def serve() -> None:
    """Run jobs until stdin is closed."""
    import torch

    import benchbed.cli.run_command
    import benchbed.metrics.memorisation
    import benchbed.metrics.swd
    import benchbed.report.write
    import benchbed.runs.execute
    import benchbed.tasks.synthesis  # noqa: F401
    from benchbed.metrics.features.untrained import create_random_extractor

    torch.set_num_threads(1)
    create_random_extractor()  # creates its random weights once
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            result = wait_for_child(job["wait"], job["seconds"])
        elif (result := os.fork()) == 0:
            run_benchbed(job)
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    serve()
