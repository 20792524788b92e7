"""Hash and decode files once; the fingerprint shows that two machines have the same data."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchbed import paths
from benchbed.data.collection import VOLUME_SUFFIXES, Collection
from benchbed.data.decode import read_image, read_mask
from benchbed.errors import BenchbedError
from benchbed.files import digest, write_json

Facts = dict[str, str]
"""``sha256`` of a file, with ``shape``, or ``error`` if it cannot be decoded; for a mask that is a
volume also ``largest``, its largest label."""

_SAVE_EVERY = 4000

_NUMBERS = re.compile(r"[0-9]+(x[0-9]+)*")


def examine(
    collection: Collection,
    advance: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[Path, Facts]:
    """Hash and decode every file of a collection; results are cached until a file changes."""
    files = [(role, path) for case in collection.cases for role, path in case.files.items()]
    return facts_of(collection.spec.name, files, advance, say)


def facts_of(
    name: str,
    files: Sequence[tuple[str, Path]],
    advance: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda _: None,
) -> dict[Path, Facts]:
    """Hash and decode files; results are cached until a file changes.

    `say` receives one message if the cache is not writable.
    """
    memory = _Memory(name, say)
    facts: dict[Path, Facts] = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for (_, path), entry in zip(
            files, pool.map(lambda f: memory.facts(*f), files), strict=True
        ):
            facts[path] = entry
            advance()
            if len(facts) % _SAVE_EVERY == 0:
                memory.save()
    memory.save()
    return facts


def undecodable(facts: dict[Path, Facts]) -> dict[Path, str]:
    """Return the files that cannot be decoded, with the reason."""
    return {path: entry["error"] for path, entry in facts.items() if "error" in entry}


def fingerprint(collection: Collection, facts: dict[Path, Facts]) -> str:
    """Hash names, splits, shapes and contents of the cases to 16 hexadecimal digits."""
    entries = [
        [case.id, case.split, case.label]
        + [[role, facts[path]["shape"], facts[path]["sha256"]] for role, path in case.files.items()]
        for case in collection.cases
    ]
    return digest(entries, 16)


def content_fingerprint(name: str, chunks: Sequence[bytes]) -> str:
    """Hash a phantom's name and pixels to 16 hexadecimal digits."""
    state = hashlib.sha256(name.encode())
    for chunk in chunks:
        state.update(chunk)
    return state.hexdigest()[:16]


class _Memory:
    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self.file = paths.cache() / "index" / f"{name}.json"
        self.known = _remembered(self.file)
        self.changed = False
        self.writable = True
        self._say = say

    def facts(self, role: str, path: Path) -> Facts:
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                return {"error": f"{path} cannot be decoded: not a file."}
            key = f"{role}:{path.resolve()}:{status.st_size}:{status.st_mtime_ns}"
            if not _tell_all(role, path, self.known.get(key, {})):
                self.known[key] = _facts(role, path)
                self.changed = True
        except OSError as error:
            return {"error": f"{path} cannot be read: {error.strerror}."}
        return self.known[key]

    def save(self) -> None:
        """Save the known facts, while other threads may add more."""
        if not self.changed or not self.writable:
            return
        self.changed = False
        try:
            # A copy, since other threads add entries meanwhile.
            write_json(self.file, dict(self.known))
        except OSError as error:
            self.writable = False
            self._say(
                f"The file index {self.file} is not writable ({error.strerror}), so the files "
                "are read again next time. Select another cache with $BENCHBED_CACHE."
            )


def _remembered(file: Path) -> dict[str, Facts]:
    """Load the cached facts; damaged entries are dropped and computed again."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = content.items() if isinstance(content, dict) else ()
    return {key: entry for key, entry in entries if _are_facts(entry)}


def _are_facts(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and "sha256" in entry
        and ("shape" in entry or "error" in entry)
        and all(isinstance(value, str) for value in entry.values())
        and all(_NUMBERS.fullmatch(entry.get(name, "0")) for name in ("shape", "largest"))
    )


def _tell_all(role: str, path: Path, facts: Facts) -> bool:
    """Return whether all facts are present; caches of older versions lack some."""
    required = ("shape", "largest") if _codes(role, path) else ("shape",)
    return "error" in facts or all(name in facts for name in required)


def _codes(role: str, path: Path) -> bool:
    return role == "mask" and _is_volume(path)


def _is_volume(path: Path) -> bool:
    return path.name.lower().endswith(VOLUME_SUFFIXES)


def _facts(role: str, path: Path) -> Facts:
    with path.open("rb") as file:
        facts = {"sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    try:
        return facts | _content(role, path)
    except BenchbedError as error:
        return {**facts, "error": str(error)}


def _content(role: str, path: Path) -> Facts:
    """Decode a file and return its facts.

    The shape is ``(H, W)`` of an image, ``(C, D, H, W)`` of a volume, without C of a mask.
    """
    if not _is_volume(path):
        pixels = read_image(path, 3) if role == "image" else read_mask(path)
        return {"shape": _by(pixels.shape[:2])}
    # nibabel is slow to import, and images do not need it.
    from benchbed.data.volume_files import read_codes, read_volume

    if _codes(role, path):
        codes = read_codes(path, {})
        return {"shape": _by(codes.shape), "largest": str(codes.max())}
    return {"shape": _by(read_volume(path).shape)}


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
