"""Hash and decode files once; the fingerprint shows that two machines have the same data."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchbed.api.dataset import VOLUME_SUFFIXES, Phantom
from benchbed.config import paths
from benchbed.data.io.arrays import examine_arrays, is_array_file
from benchbed.data.io.images import examine_image, examine_mask
from benchbed.data.sources.cases import MASK_ROLES, Collection
from benchbed.data.stamps import make_stamp
from benchbed.errors import BenchbedError
from benchbed.registry.lookup import load_object, wrap_plugin_call
from benchbed.utils.files import hash_file, hash_json, write_json
from benchbed.utils.progress import ProgressCallback, ignore_progress

FileFacts = dict[str, str]
"""``sha256`` of a file, with ``shape`` and the other facts of `examine_image`, `examine_mask` or
`examine_volume`, or ``error`` if it cannot be decoded. All values are text."""

_SAVE_EVERY = 4000

CASE_COUNT = 3
RENDER_SIZE = 64
"""In-plane size in pixels, and number, of the phantom cases that identify it."""

_SHAPE_PATTERN = re.compile(r"[0-9]+(x[0-9]+)*")


def collect_file_facts(
    collection: Collection,
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
) -> dict[Path, FileFacts]:
    """Hash and decode every file of a collection; results are cached until a file changes."""
    files: list[tuple[str, Path, tuple[Path, ...]]] = []
    for case in collection.cases:
        for role, path in case.files.items():
            is_slice = bool(case.slices) and path in case.slices
            files.append(("slice" if is_slice and role != "image" else role, path, case.slices))
    return compute_file_facts(collection.spec.name, files, progress, log)


def compute_file_facts(
    name: str,
    files: Sequence[tuple[str, Path, tuple[Path, ...]]],
    progress: ProgressCallback = ignore_progress,
    log: Callable[[str], None] = lambda _: None,
) -> dict[Path, FileFacts]:
    """Hash and decode files; results are cached until a file changes.

    A file that several cases share is examined once.

    Args:
        name: Name of the cache.
        files: Role, file, and, for the image of a volume in several files, its slices.
        progress: Receives progress.
        log: Receives one message if the cache is not writable.
    """
    memory = _FactStore(name, log)
    facts: dict[Path, FileFacts] = {}
    unique = list(dict.fromkeys(files))
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        results = pool.map(lambda file: memory.get_facts(*file), unique)
        for number, ((_, path, _), entry) in enumerate(zip(unique, results, strict=True), 1):
            facts[path] = entry
            progress("checking files", number, len(unique))
            if number % _SAVE_EVERY == 0:
                memory.save()
    memory.save()
    return facts


def find_undecodable(facts: dict[Path, FileFacts]) -> dict[Path, str]:
    """Return the files that cannot be decoded, with the reason."""
    return {path: entry["error"] for path, entry in facts.items() if "error" in entry}


def compute_fingerprint(
    collection: Collection, facts: dict[Path, FileFacts], *, is_own: bool = False
) -> str:
    """Hash names, splits, shapes and contents of the cases to 16 hexadecimal digits.

    Args:
        collection: The cases.
        facts: Facts of their files.
        is_own: Whether they are a user's own data, whose declared classes are hashed as well.
    """
    entries: list[list[Any]] = [
        [case.id, case.split, case.label]
        + [[role, facts[path]["shape"], facts[path]["sha256"]] for role, path in case.files.items()]
        for case in collection.cases
    ]
    # The spec of a named dataset declares its classes, but equal files of a user can have several
    # manifests. Value 1 as the only class is what undeclared masks mean.
    declared = {tuple(sorted(case.label_mapping.items())) for case in collection.cases}
    if is_own and declared - {(), ((1, 1),)}:
        entries.append(["classes", *sorted(declared)])
    return hash_json(entries, 16)


def compute_content_fingerprint(name: str, chunks: Sequence[bytes]) -> str:
    """Hash a phantom's name and pixels to 16 hexadecimal digits."""
    state = hashlib.sha256(name.encode())
    for chunk in chunks:
        state.update(chunk)
    return state.hexdigest()[:16]


def compute_phantom_fingerprint(phantom: Phantom) -> str:
    """Hash a few rendered cases, the recipe's counts and its seed.

    Raises:
        BenchbedError: Its plugin fails to render them; the text names it.
    """
    arrays = _render_cases(phantom.render, phantom.seed)
    chunks = [np.ascontiguousarray(array).tobytes() for _, array in sorted(arrays.items())]
    return compute_content_fingerprint(f"{phantom.case_counts}{phantom.seed}", chunks)


def list_phantom_roles(phantom: Phantom) -> frozenset[str]:
    """Return what every case has: ``image``, and ``mask``, ``label`` and so on where present."""
    return frozenset(_render_cases(phantom.render, phantom.seed))


@lru_cache
def _render_cases(render: str, seed: int) -> Mapping[str, npt.NDArray[Any]]:
    """Render the first cases; cached, since a suite needs the same phantom many times."""
    renderer = load_object(render)
    with wrap_plugin_call(render, "cannot render cases"):
        rendered: Mapping[str, npt.NDArray[Any]] = renderer(range(CASE_COUNT), RENDER_SIZE, seed)
        if not isinstance(rendered, Mapping) or "image" not in rendered:
            raise TypeError(
                f"the renderer returned {type(rendered).__name__} instead of a dict of arrays"
            )
        for name, array in rendered.items():
            if not isinstance(array, np.ndarray) or len(array) != CASE_COUNT:
                raise TypeError(f"array {name} does not contain {CASE_COUNT} cases")
    return rendered


class _FactStore:
    def __init__(self, name: str, log: Callable[[str], None]) -> None:
        self.file = paths.get_cache_folder() / "index" / f"{name}.json"
        self.known = _load_facts(self.file)
        self.changed = False
        self.writable = True
        self._log = log

    def get_facts(self, role: str, path: Path, slices: tuple[Path, ...]) -> FileFacts:
        others = slices if role == "image" else ()
        try:
            if not stat.S_ISREG(path.stat().st_mode):
                return {"error": f"{path} cannot be decoded: not a file."}
            stamps = [make_stamp(file) for file in (path, *others)]
            key = f"{role}:{path.resolve()}:{stamps[0]}"
            if others:
                key += f":{hash_json(stamps)}"
            if not _is_complete(role, path, others, self.known.get(key, {})):
                self.known[key] = _read_facts(role, path, others)
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
            self._log(
                f"The file index {self.file} is not writable ({error.strerror}), so the files "
                "are read again next time. Select another cache with $BENCHBED_CACHE."
            )


def _load_facts(file: Path) -> dict[str, FileFacts]:
    """Load the cached facts; damaged entries are dropped and computed again."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = content.items() if isinstance(content, dict) else ()
    return {key: entry for key, entry in entries if _is_fact_entry(entry)}


def _is_fact_entry(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and "sha256" in entry
        and ("shape" in entry or "error" in entry)
        and all(isinstance(value, str) for value in entry.values())
        and all(_SHAPE_PATTERN.fullmatch(entry.get(name, "0")) for name in ("shape", "largest"))
    )


def _is_complete(role: str, path: Path, slices: Sequence[Path], facts: FileFacts) -> bool:
    """Return whether all facts are present; caches of older versions lack some."""
    required = {"shape"}
    if is_array_file(path):
        pass
    elif slices or _is_volume(path):
        required |= {"spacing", "affine", "orientation"}
        required |= {"values", "largest"} if role == "mask" else {"low", "high"}
    elif role in MASK_ROLES:
        required |= {"pages", "kind", "values"}
        required |= {"palette"} if facts.get("kind") == "palette" else set()
    elif role != "slice":
        required |= {"bits", "channels", "pages", "low", "high"}
    return "error" in facts or required <= facts.keys()


def _is_volume(path: Path) -> bool:
    return path.name.lower().endswith(VOLUME_SUFFIXES)


def _read_facts(role: str, path: Path, slices: Sequence[Path]) -> FileFacts:
    facts = {"sha256": hash_file(path)}
    try:
        return facts | _read_content(role, path, slices)
    except BenchbedError as error:
        return {**facts, "error": str(error)}


def _read_content(role: str, path: Path, slices: Sequence[Path]) -> FileFacts:
    """Decode a file and return its facts.

    The shape is ``(H, W)`` of an image, ``(C, D, H, W)`` of a volume, without C of a mask; of an
    array file, that of one row.
    """
    if is_array_file(path):
        return examine_arrays(path)
    if slices or _is_volume(path):
        # nibabel is slow to import, and images do not need it.
        from benchbed.data.io.volumes import examine_volume

        return examine_volume(path, role, slices)
    if role == "slice":
        # The whole series is decoded with its first slice.
        return {"shape": "1x1"}
    return examine_mask(path) if role in MASK_ROLES else examine_image(path)
