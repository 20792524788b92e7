"""The code itself: no call in it runs what a file or a user gives it.

Every source file of the core, the plugins and the example is parsed, and every call looked at.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Tried = Callable[..., None]

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for part in ("benchbed", "plugins", "examples") for path in (ROOT / part).rglob("*.py")
)
TEMPLATES = sorted((ROOT / "benchbed/report/html/templates").iterdir())

FORBIDDEN = re.compile(
    r"(builtins\.)?(eval|exec|compile)|os\.(system|popen|spawn\w+|exec\w+)|"
    r"(c?[pP]ickle|cloudpickle|dill|marshal|shelve|joblib)\.\w*([lL]oads?|Unpickler|open)|"
    r"yaml\.(load|load_all|unsafe_load|full_load|unsafe_load_all|full_load_all)|"
    r"yaml\.(loader\.)?C?(Full|Unsafe)?Loader|"
    r"tempfile\.mktemp|subprocess\.(getoutput|getstatusoutput)|\w+\.extractall|"
    r"torch\.hub\.load|(shutil\.)?unpack_archive|urllib\.request\.\w+"
)

OWN = {
    "benchbed/suites/executors/job.py": {"pickle.loads"},
}
"""What a process reads that its own parent wrote for it a moment ago."""

PAGE = "benchbed/report/render/html/page.py"


@functools.cache
def _calls() -> list[tuple[str, str, ast.Call]]:
    return list(_all_calls())


def _bases() -> Iterator[tuple[str, str]]:
    """What every class is made of, with the place."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                where = f"{path.relative_to(ROOT).as_posix()}:{node.lineno}"
                yield from ((where, ast.unparse(base)) for base in node.bases)


def _all_calls() -> Iterator[tuple[str, str, ast.Call]]:
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield name, ast.unparse(node.func), node


def _keyword(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(k.value) for k in call.keywords if k.arg == name), None)


@pytest.mark.attack(
    promise="Nothing that is read is executed: no pickle, no eval, no shell.",
    attack="every call in the sources, compared with all that could",
)
def test_no_call_obeys_a_file(tried: Tried) -> None:
    for place, function, call in _calls():
        where = f"{place}:{call.lineno}: {function}"
        assert not FORBIDDEN.fullmatch(function) or function in OWN.get(place, ()), where
        assert _keyword(call, "shell") in (None, "False"), where
        assert _keyword(call, "allow_pickle") in (None, "False"), where
        assert _keyword(call, "verify") in (None, "True"), where
        if function == "torch.load":
            assert _keyword(call, "weights_only") == "True", where
        if function in ("subprocess.run", "subprocess.Popen", "subprocess.check_output"):
            assert not isinstance(call.args[0], ast.Constant | ast.JoinedStr), where
        if function in ("Environment", "jinja2.Environment"):
            assert _keyword(call, "autoescape") == "True", where
        tried()


def test_what_reads_yaml_is_made_of_what_makes_no_objects() -> None:
    """A reader of our own reads plain values as well, and refuses more."""
    readers = [(where, base) for where, base in _bases() if re.search(r"Loader|Constructor", base)]
    assert [base for _, base in readers] == ["yaml.SafeLoader"], readers
    tags = [
        (place, [ast.unparse(part) for part in call.args])
        for place, function, call in _calls()
        if function.endswith(("add_constructor", "add_multi_constructor"))
    ]
    assert tags == [
        ("benchbed/config/settings.py", ["'tag:yaml.org,2002:int'", "_Reader.construct_yaml_int"])
    ]


def test_the_search_finds_what_it_looks_for() -> None:
    for function in (
        "eval", "os.system", "pickle.load", "pickle.Unpickler", "yaml.load", "archive.extractall",
        "yaml.Loader", "yaml.UnsafeLoader", "yaml.CFullLoader",
    ):  # fmt: skip
        assert FORBIDDEN.fullmatch(function)
    for function in ("yaml.safe_load", "json.loads", "method.eval", "re.compile", "model.load"):
        assert not FORBIDDEN.fullmatch(function)


@pytest.mark.attack(
    promise="The HTML report escapes all that comes from names, settings and logs.",
    attack="every way around the escaping in templates, programs and code",
)
def test_nothing_goes_around_the_escaping(tried: Tried) -> None:
    """Text is put into the page by the template, which escapes it, or as text of an element."""
    around = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function"
    for path in TEMPLATES:
        content = path.read_text(encoding="utf-8")
        assert not re.search(rf"{around}|\|\s*safe|autoescape", content), path.name
        tried("templates")
    marked = [ast.unparse(c.args[0]) for place, f, c in _calls() if f == "Markup" and place == PAGE]
    elsewhere = {place for place, function, _ in _calls() if "Markup" in function}
    assert elsewhere == {PAGE}
    # Its own style and program, and JSON in which no element can end.
    assert marked == ["style", "program", "facts(boards, by_run, showcases)"]
    tried("code", len(marked))


@pytest.mark.attack(
    promise="Published weights are checked by their hash, and come over https.",
    attack="every declaration of weights in the sources",
)
def test_published_weights_are_guarded(tried: Tried) -> None:
    for place, function, call in _calls():
        if function == "PublishedWeights":
            _, file, url, prefix = (ast.literal_eval(part) for part in call.args)
            assert url.startswith("https://"), place
            assert re.fullmatch("[0-9a-f]{8,64}", prefix), place
            assert prefix in file
            tried()
