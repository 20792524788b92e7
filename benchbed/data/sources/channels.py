"""Group files of volumes that are channels of one case, such as ``CASE_t1`` and ``CASE_flair``."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchbed.data.sources.folder_words import NamedFile
from benchbed.data.sources.pairing import list_some
from benchbed.data.sources.task_json import TaskDescription
from benchbed.errors import BenchbedError

_SEQUENCE_PATTERN = re.compile(
    r"(?P<case>.+)[_\-](?P<channel>t1(?:n|w|ce|c|gd|wce)?|t2(?:w|f)?|flair|pd|dwi|adc|swi|ct|pet)"
    r"(?P<rest>[_\-].+)?",
    re.IGNORECASE,
)
_NUMBER_PATTERN = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})(?P<rest>)")


@dataclass(frozen=True)
class ChannelGroups:
    """Files of volumes by case.

    Attributes:
        first_files: The file of the first channel of each case, renamed after the case.
        names: Names of the channels in order; empty if one file holds all.
        files: Files of the channels in order, by name of the first.
    """

    first_files: list[NamedFile]
    names: tuple[str, ...] = ()
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def single(cls, images: Sequence[NamedFile]) -> ChannelGroups:
        """Return groups of one file each."""
        return cls(list(images))

    def get_files(self, image: NamedFile) -> tuple[str, ...]:
        """Return the files of a case in the order of the channels; empty if there is only one."""
        return self.files.get(image.name, ())


@dataclass(frozen=True)
class ChannelFile(NamedFile):
    """The first channel of a case, with the case's name as its stem.

    Attributes:
        case: Name of the case.
    """

    case: str = ""

    @property
    def stem(self) -> str:
        """Name of the case."""
        return self.case


def group_channels(
    root: Path,
    images: Sequence[NamedFile],
    masks: Sequence[NamedFile],
    task: TaskDescription | None,
) -> ChannelGroups:
    """Group the files of volumes by case if their names contain channels.

    ``CASE_0000`` is a channel only if all names have such numbers and the masks are named after the
    cases, or ``dataset.json`` declares channels: numbers may also count cases.

    Raises:
        BenchbedError: Cases have different channels.
    """
    numbered = _split_names(images, _NUMBER_PATTERN)
    if numbered and (_name_cases(masks, numbered) or (task and task.channel_names)):
        declared = task.channel_names if task else ()
        return _collect(root, images, numbered, lambda n: declared[int(n)] if declared else n)
    named = _split_names(images, _SEQUENCE_PATTERN)
    if named and len({channel for _, channel in named.values()}) > 1:
        return _collect(root, images, named, str)
    return ChannelGroups.single(images)


def strip_channel(stem: str) -> str:
    """Return a stem without a sequence, such as ``CASE_083`` of ``CASE_flair_083``."""
    hit = _SEQUENCE_PATTERN.fullmatch(stem)
    return _join_case(hit) if hit else stem


def _join_case(hit: re.Match[str]) -> str:
    return hit["case"] + (hit["rest"] or "")


def _split_names(
    images: Sequence[NamedFile], pattern: re.Pattern[str]
) -> dict[str, tuple[str, str]]:
    """Return case and channel of every image, or nothing if a name does not match."""
    hits = {image.name: pattern.fullmatch(image.stem) for image in images}
    if not all(hits.values()):
        return {}
    return {name: (_join_case(hit), hit["channel"].lower()) for name, hit in hits.items() if hit}


def _name_cases(masks: Sequence[NamedFile], names: Mapping[str, tuple[str, str]]) -> bool:
    stems = {mask.stem for mask in masks}
    return bool(stems) and stems <= {case for case, _ in names.values()}


def _collect(
    root: Path,
    images: Sequence[NamedFile],
    names: Mapping[str, tuple[str, str]],
    title: Callable[[str], str],
) -> ChannelGroups:
    cases: dict[tuple[str, str], dict[str, NamedFile]] = defaultdict(dict)
    for image in images:
        case, channel = names[image.name]
        cases[image.folder, case][channel] = image
    channels = sorted({channel for found in cases.values() for channel in found})
    for (_, case), found in cases.items():
        if missing := [channel for channel in channels if channel not in found]:
            raise BenchbedError(
                f"Case {case} in {root} has no sequence {list_some(missing)}, which other cases "
                f"have (all: {', '.join(channels)}). Complete or remove it."
            )
    firsts: list[NamedFile] = []
    files: dict[str, tuple[str, ...]] = {}
    for (_, case), found in cases.items():
        first = found[channels[0]]
        groups = first.groups[:-1] if first.groups[-1:] == (case,) else first.groups
        firsts.append(ChannelFile(first.name, first.role, first.split, groups, case))
        if len(channels) > 1:
            files[first.name] = tuple(found[channel].name for channel in channels)
    return ChannelGroups(firsts, tuple(map(title, channels)), files)
