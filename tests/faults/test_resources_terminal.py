"""Terminals and environments: what is not there fails no command."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from benchbed.cli.main import COMMANDS, app

CountAttempt = Callable[..., None]

BENCHBED = (sys.executable, "-m", "benchbed")

RUN = (
    "run", "--method", "tiny-lsgan", "--dataset", "discs", "--size", "16", "--kimg", "0.05",
    "--samples", "12", "--metric", "swd", "--device", "cpu", "--results", "results",
)  # fmt: skip

UNKNOWN = "~nosuchuser/x"


def _start(
    *arguments: str, folder: Path, before: str = "", after: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``benchbed`` in a shell, which can close and redirect its output."""
    script = f'{before} "$@" {after}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script, "bash", *BENCHBED, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=240,
        check=False,
    )


def _read_state(folder: Path) -> str:
    (record,) = (folder / "results/records").glob("*.json")
    return str(json.loads(record.read_text(encoding="utf-8"))["state"])


@pytest.mark.attack(
    guarantee="A lost terminal never fails a run: its record is written.",
    attack="stdout and stderr that are closed, full, or read by a program that exits, in a run",
)
@pytest.mark.parametrize(
    ("after", "code"),
    [
        ("2>&1 | head -1", 0),
        pytest.param("| true", 0, marks=pytest.mark.slow),
        pytest.param("2>&1 >/dev/full", 1, marks=pytest.mark.slow),
        pytest.param(">&- 2>&- <&-", 0, marks=pytest.mark.slow),
        pytest.param("2>/dev/full", 0, marks=pytest.mark.slow),
    ],
)
def test_a_lost_terminal_fails_no_run(
    after: str, code: int, with_plugin: Path, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    result = _start(*RUN, folder=tmp_path, after=after)
    assert _read_state(tmp_path) == "finished"
    assert result.returncode == code
    assert "Traceback" not in result.stdout + result.stderr
    count_attempt(after)


@pytest.mark.attack(
    guarantee="Output in any encoding: characters that it does not have are replaced.",
    attack="ASCII, Latin-1 and code page 1252 as the encoding of a run, a list and a page of help",
)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_encodings_without_arrows(
    encoding: str, with_plugin: Path, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    commands = [("show", "fid"), ("list", "metrics"), *([RUN] if encoding == "ascii" else [])]
    for arguments in commands:
        result = _start(*arguments, folder=tmp_path, PYTHONIOENCODING=encoding)
        assert result.returncode == 0, result.stderr
        assert "Traceback" not in result.stderr
        assert "\\u2013" not in result.stdout
        count_attempt(encoding)


WITHOUT_PASSWD = """
import pwd, sys
def find_no_user(uid):
    raise KeyError(uid)
pwd.getpwuid = find_no_user
sys.argv = ["benchbed", *sys.argv[1:]]
from benchbed.cli.main import main
main()
"""


@pytest.mark.attack(
    guarantee="No command needs a home directory or an entry of the user.",
    attack="no $HOME and a user id without an entry: list, doctor, and a path with ~",
)
def test_a_user_without_home(
    with_plugin: Path, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "HOME"}
    for name in ("BENCHBED_CACHE", "BENCHBED_DATA", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    environment |= {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    for arguments, code in (
        (("list", "methods"), 0),
        (("doctor",), 0),
        (("list", "runs", "--results", "~/results"), 2),
    ):
        result = subprocess.run(
            [sys.executable, "-c", WITHOUT_PASSWD, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in result.stderr, result.stderr
        assert result.returncode == code, result.stderr
        count_attempt(arguments[0])


@pytest.mark.attack(
    guarantee="Too little memory is reported in one sentence.",
    attack="a limit of address space that libtorch does not fit in",
)
def test_libraries_that_do_not_fit_the_memory(with_plugin: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [*BENCHBED, *RUN],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "memory" in result.stderr.splitlines()[-1]


def _list_path_parameters() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every parameter of every command that is a path, with the words of the command."""
    group: Any = typer.main.get_command(app)
    for name in COMMANDS:
        _, command, _ = group.resolve_command(typer.Context(group), [name])
        for words, leaf in _list_leaves((name,), command):
            kinds = {
                name: get_args(parameter.annotation)[:1]
                for name, parameter in signature(leaf.callback, eval_str=True).parameters.items()
            }
            for parameter in leaf.params:
                (kind,) = kinds.get(parameter.name) or (None,)
                if Path in (kind, *get_args(kind)):
                    yield words, parameter


def _list_leaves(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, part in command.commands.items():
        yield from _list_leaves((*words, name), part)


@pytest.mark.attack(
    guarantee="A path of an unknown user is rejected with an error message.",
    attack="~nosuchuser in every option and argument that is a path",
)
def test_unknown_users_in_paths(tmp_path: Path, forker: Any, count_attempt: CountAttempt) -> None:
    tested = set()
    for words, parameter in _list_path_parameters():
        command = _fill_arguments(words, parameter)
        result = forker.start(*command, folder=tmp_path).wait_for_output()
        assert result.returncode == 2, (command, result.stderr)
        assert UNKNOWN in result.stderr, (command, result.stderr)
        assert not list(tmp_path.glob("~*"))
        tested.add((words[0], parameter.name))
        count_attempt(" ".join(words))
    assert {("run", "settings_file"), ("new", "into"), ("export", "out")} <= tested


def _fill_arguments(words: tuple[str, ...], attacked: Any) -> list[str]:
    """Return a command line with all that is required, and the unknown user in one parameter."""
    group: Any = typer.main.get_command(app)
    _, command, _ = group.resolve_command(typer.Context(group), [words[0]])
    for word in words[1:]:
        command = command.commands[word]
    line = list(words)
    for parameter in command.params:
        is_attacked = parameter.name == attacked.name
        if not (parameter.required or is_attacked):
            continue
        value = UNKNOWN if is_attacked else {"kind": "runs"}.get(parameter.name, "x")
        line += [value] if parameter.param_type_name == "argument" else [parameter.opts[0], value]
    return line


WRONG_USAGE = [
    (("run", "--methd", "x"), "'--method'"),
    (("data", "verfy", "x"), "'verify'"),
    (("list", "metods"), "'methods'"),
    (("run", "--preset", "quik"), "'quick'"),
    (("run", "--seed", "abc"), "'abc'"),
    (("run", "--size", "2.5"), "'2.5'"),
    (("run", "--devices", "0"), "--devices"),
    (("run", "--method"), "--method"),
    (("run", "extra"), "extra"),
    (("sample",), "RUN"),
    (("evaluate", "--real", "a"), "--fake"),
    (("run", "--json=3"), "--json"),
    (("run", "--method", "dcgan", "--dataset", "drive", "--set", "batch_size=x"), "batch_size"),
]


@pytest.mark.attack(
    guarantee="Wrong usage is one message in the style of all others, and exit code 2.",
    attack="wrong options, commands, choices, numbers and counts, in and out of settings",
)
def test_wrong_usage_has_one_style(
    forker: Any, tmp_path: Path, count_attempt: CountAttempt
) -> None:
    for arguments, fact in WRONG_USAGE:
        result = forker.start(*arguments, folder=tmp_path).wait_for_output()
        assert result.returncode == 2, result.stderr
        assert result.stderr.startswith("benchbed: "), result.stderr
        assert fact in result.stderr
        for raw in ("Traceback", "Value error", "nput should", "unable to parse", "Usage:", "─"):
            assert raw not in result.stderr, result.stderr
        count_attempt()
