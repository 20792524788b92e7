"""Source code: no call executes input from a file or a user.

The tests parse all source files of the core, the plugins and the example, and check every call.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CountAttempt = Callable[..., None]

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for part in ("benchbed", "plugins", "examples") for path in (ROOT / part).rglob("*.py")
)
TEMPLATES = sorted((ROOT / "benchbed/report/render/html/templates").iterdir())

FORBIDDEN = re.compile(
    r"(builtins\.)?(eval|exec|compile)|os\.(system|popen|spawn\w+|exec\w+)|"
    r"(c?[pP]ickle|cloudpickle|dill|marshal|shelve|joblib)\.\w*([lL]oads?|Unpickler|open)|"
    r"yaml\.(load|load_all|unsafe_load|full_load|unsafe_load_all|full_load_all)|"
    r"yaml\.(loader\.)?C?(Full|Unsafe)?Loader|"
    r"tempfile\.mktemp|subprocess\.(getoutput|getstatusoutput)|\w+\.extractall|"
    r"torch\.hub\.load|(shutil\.)?unpack_archive|urllib\.request\.\w+"
)

EXCEPTIONS = {
    "benchbed/suites/executors/job.py": {"pickle.loads"},
}
"""Exceptions: data that the parent process has just written."""

PAGE = "benchbed/report/render/html/page.py"


@functools.cache
def _calls() -> list[tuple[str, str, ast.Call]]:
    return list(_all_calls())


def _bases() -> Iterator[tuple[str, str]]:
    """Yield the location and base of every class."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                location = f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"
                yield from ((location, ast.unparse(base)) for base in node.bases)


def _all_calls() -> Iterator[tuple[str, str, ast.Call]]:
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield name, ast.unparse(node.func), node


def _keyword(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(k.value) for k in call.keywords if k.arg == name), None)


@pytest.mark.attack(
    guarantee="Input is never executed: no pickle, no eval, no shell.",
    attack="every call in the sources, compared with the calls that can execute input",
)
def test_no_call_executes_input(count_attempt: CountAttempt) -> None:
    for path_name, function, call in _calls():
        location = f"{path_name}:{call.lineno}: {function}"
        assert not FORBIDDEN.fullmatch(function) or function in EXCEPTIONS.get(path_name, ()), (
            location
        )
        assert _keyword(call, "shell") in (None, "False"), location
        assert _keyword(call, "allow_pickle") in (None, "False"), location
        assert _keyword(call, "verify") in (None, "True"), location
        if function == "torch.load":
            assert _keyword(call, "weights_only") == "True", location
        if function in ("subprocess.run", "subprocess.Popen", "subprocess.check_output"):
            assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr), location
        if function in ("Environment", "jinja2.Environment"):
            assert _keyword(call, "autoescape") == "True", location
        count_attempt()


def test_yaml_readers_create_only_plain_values() -> None:
    """The only custom reader creates plain values, and rejects more than SafeLoader."""
    readers = [
        (location, base) for location, base in _bases() if re.search(r"Loader|Constructor", base)
    ]
    assert [base for _, base in readers] == ["yaml.SafeLoader"], readers
    tags = [
        (path_name, [ast.unparse(part) for part in call.args])
        for path_name, function, call in _calls()
        if function.endswith(("add_constructor", "add_multi_constructor"))
    ]
    assert tags == [
        (
            "benchbed/config/settings.py",
            ["'tag:yaml.org,2002:int'", "_PlainYamlLoader.construct_yaml_int"],
        )
    ]


def test_forbidden_calls_are_recognized() -> None:
    for function in (
        "eval", "os.system", "pickle.load", "pickle.Unpickler", "yaml.load", "archive.extractall",
        "yaml.Loader", "yaml.UnsafeLoader", "yaml.CFullLoader",
    ):  # fmt: skip
        assert FORBIDDEN.fullmatch(function)
    for function in ("yaml.safe_load", "json.loads", "method.eval", "re.compile", "model.load"):
        assert not FORBIDDEN.fullmatch(function)


@pytest.mark.attack(
    guarantee="The HTML report escapes all names, settings and logs.",
    attack="every way to bypass escaping in templates, scripts and code",
)
def test_nothing_bypasses_escaping(count_attempt: CountAttempt) -> None:
    """Text is inserted by the template, which escapes it, or as text of an element."""
    bypass = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
    for path in TEMPLATES:
        content = path.read_text(encoding="utf-8")
        assert not re.search(rf"{bypass}|\|\s*safe|autoescape", content), path.name
        count_attempt("templates")
    marked = [
        ast.unparse(c.args[0])
        for path_name, f, c in _calls()
        if f == "Markup" and path_name == PAGE
    ]
    elsewhere = {path_name for path_name, function, _ in _calls() if "Markup" in function}
    assert elsewhere == {PAGE}
    # Its own style and script, and JSON that cannot close an element.
    assert marked == ["style", "program", "render_facts(leaderboards, by_run, showcases)"]
    count_attempt("code", len(marked))


@pytest.mark.attack(
    guarantee="Published weights are downloaded over https and verified by their hash.",
    attack="every declaration of weights in the sources",
)
def test_published_weights_use_https_and_a_hash(count_attempt: CountAttempt) -> None:
    for path_name, function, call in _calls():
        if function == "PublishedWeights":
            _, file, url, prefix = (ast.literal_eval(part) for part in call.args)
            assert url.startswith("https://"), path_name
            assert re.fullmatch("[0-9a-f]{8,64}", prefix), path_name
            assert prefix in file
            count_attempt()
