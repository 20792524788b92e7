"""Check the text headers of NRRD and MetaImage files before ITK opens them.

On some damaged headers ITK crashes, writes to the standard streams, or returns wrong voxels.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

_MAX_HEADER_BYTES = 2**20
"""Maximum length of a header: a longer one is that of another kind of file."""

_MAX_FIELD_BYTES = 500
"""Maximum length of a field: ITK crashes on twice as long ones."""

_MAX_CHANNELS = 1000
"""Maximum number of values per voxel."""

_VECTOR_FIELDS = (
    *("DimSize", "ElementSpacing", "ElementSize", "Offset", "Position", "Origin"),
    "CenterOfRotation",
)
"""Fields of a MetaImage header with one number per axis."""

_MATRIX_FIELDS = ("TransformMatrix", "Rotation", "Orientation")
"""Fields with one number per pair of axes."""

_ORDER_FIELDS = {"BinaryDataByteOrderMSB", "ElementByteOrderMSB"}
"""Fields with the byte order."""

_ELEMENT_TYPE = re.compile(r"MET_(U?(CHAR|SHORT|INT|LONG|LONG_LONG)|FLOAT|DOUBLE)(_ARRAY)?")
"""Types of voxels that ITK can read."""


def read_nrrd_fields(path: Path) -> tuple[dict[str, str], int]:
    """Read the header of an NRRD file.

    Returns:
        Values by name in lower case, and the position of the data.

    Raises:
        ValueError: There is no such header, or ITK would crash on it.
        OSError: The file cannot be read.
    """
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        if not file.readline(_MAX_HEADER_BYTES).startswith(b"NRRD0"):
            raise ValueError("it does not begin with NRRD")
        while (line := file.readline(_MAX_HEADER_BYTES)).strip():
            # Comments begin with "#"; lines with ":=" are free text.
            if not line.startswith(b"#") and b":=" not in line:
                _check_length(line)
            name, _, value = line.decode("latin-1").partition(": ")
            fields[name.strip().lower()] = value.strip()
            if file.tell() > _MAX_HEADER_BYTES:
                raise ValueError("its header has no end")
        return fields, file.tell()


def read_metaimage_fields(path: Path) -> tuple[dict[str, str], int]:
    """Read the header of a MetaImage file.

    Returns:
        Values by name, and the position of the data.

    Raises:
        ValueError: There is no such header, or ITK would misread it.
        OSError: The file cannot be read.
    """
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while "ElementDataFile" not in fields:
            line = file.readline(_MAX_HEADER_BYTES)
            if not line or file.tell() > _MAX_HEADER_BYTES:
                raise ValueError("its header has no field ElementDataFile")
            _check_length(line)
            name, separator, value = line.decode("latin-1").partition("=")
            if not separator:
                raise ValueError(f"its header has the line {name.strip()[:40]!r}")
            if name.strip() in fields:
                raise ValueError(f"its header has the field {name.strip()!r} twice")
            fields[name.strip()] = value.strip()
        _check_metaimage(fields)
        return fields, file.tell()


def parse_numbers(fields: dict[str, str], name: str, count: int, default: str = "") -> list[float]:
    """Return the numbers of a field.

    Raises:
        ValueError: They are not `count` finite numbers.
    """
    text = fields.get(name, default)
    try:
        numbers = [float(number) for number in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ValueError(f"its header declares {name} as {text[:40]!r}")
    return numbers


def is_true(text: str) -> bool:
    """Return whether a value of a MetaImage header means true."""
    return text[:1].lower() in ("t", "1")


def _check_length(line: bytes) -> None:
    if len(line) > _MAX_FIELD_BYTES:
        raise ValueError(f"its header has a field of more than {_MAX_FIELD_BYTES} characters")


def _check_metaimage(fields: dict[str, str]) -> None:
    if fields.get("ObjectType", "Image") != "Image":
        raise ValueError(f"it contains an object of type {fields['ObjectType']}, not an image")
    (axes,) = parse_numbers(fields, "NDims", 1)
    if axes not in (2, 3, 4):
        raise ValueError(f"its header declares {axes:g} axes")
    names = list(fields)
    counts = dict.fromkeys(_VECTOR_FIELDS, int(axes)) | dict.fromkeys(_MATRIX_FIELDS, int(axes**2))
    for name in sorted(counts.keys() & fields.keys()):
        if names.index(name) < names.index("NDims"):
            raise ValueError(f"its header has the field {name} before NDims")
        parse_numbers(fields, name, counts[name])
    if min(parse_numbers(fields, "DimSize", int(axes))) < 1:
        raise ValueError(f"its header declares DimSize as {fields['DimSize']!r}")
    (channels,) = parse_numbers(fields, "ElementNumberOfChannels", 1, "1")
    if not 1 <= channels <= _MAX_CHANNELS:
        raise ValueError(f"its header declares {channels:g} values per voxel")
    if not _ELEMENT_TYPE.fullmatch(fields.get("ElementType", "")):
        raise ValueError(f"its header declares ElementType as {fields.get('ElementType', '')!r}")
    if is_true(fields.get("CompressedData", "")) or "CompressedDataSize" in fields:
        parse_numbers(fields, "CompressedDataSize", 1)
    # Without byte order, ITK expects text.
    has_order = not _ORDER_FIELDS.isdisjoint(fields)
    if not has_order or not is_true(fields.get("BinaryData", "True")):
        raise ValueError("its voxels are text, not binary data")
