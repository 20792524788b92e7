"""Read DICOM files: single images, frames, and series of slices as volumes."""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchbed.api.dataset import DICOM_SUFFIXES, GZIP_SUFFIX, IMAGE_SUFFIXES, VOLUME_SUFFIXES
from benchbed.errors import BenchbedError, describe_error

if TYPE_CHECKING:
    from pydicom import Dataset

Values = npt.NDArray[Any]
Vector = npt.NDArray[np.float64]

MAX_FRAME_PIXELS = 2**28 // 3
"""Maximum number of pixels of a frame."""

_MAGIC_OFFSET = 128
_ID_DIGITS = 12
_SPACING_TOLERANCE = 0.1
"""Deviation from even spacing, in slices, up to which positions are rounded, not irregular."""

_ANGLE_TOLERANCE = 1e-3
"""Largest difference of direction cosines of slices that have the same orientation."""

# pydicom warns of every deviation from the standard that it can work around.
warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")


@dataclass(frozen=True)
class DicomHeader:
    """What is used of a DICOM header; no other field leaves this module.

    Attributes:
        patient: First 12 hexadecimal digits of the SHA-256 of the patient id; empty without one.
        series: The same of the series UID.
        position: Position along the normal of the slices in mm; None if it has none.
        number: Number in the series, or None.
        frames: Number of frames.
        shape: Rows and columns.
        modality: Modality, such as ``"CT"``; empty if not stated.
        window: Values that the file's first window shows as black and white; None if there is
            none, or a table that is applied instead.
        spacing: Distance of rows and of columns in mm, or None.
    """

    patient: str
    series: str
    position: float | None
    number: int | None
    frames: int
    shape: tuple[int, int]
    modality: str
    window: tuple[float, float] | None
    spacing: tuple[float, float] | None


def is_dicom(path: Path) -> bool:
    """Return whether a file has a suffix of DICOM, or none that is known and DICOM's signature."""
    name = path.name.lower()
    if name.endswith(DICOM_SUFFIXES):
        return True
    if name.endswith((*IMAGE_SUFFIXES, *VOLUME_SUFFIXES, GZIP_SUFFIX)):
        return False
    try:
        with path.open("rb") as file:
            file.seek(_MAGIC_OFFSET)
            return file.read(4) == b"DICM"
    except OSError:
        return False


def read_dicom_header(path: Path) -> DicomHeader:
    """Read what is used of a header, without the pixels.

    Raises:
        BenchbedError: The file is no DICOM image.
    """
    return _DicomFile(path, with_pixels=False).read_header()


def read_dicom_values(path: Path, frame: int = 0) -> Values:
    """Read a frame.

    The modality LUT and VOI LUT tables are applied, MONOCHROME1 is inverted, and padding becomes
    the smallest other value. A window is not applied, since one window is used for a dataset.

    Returns:
        Grey ``(H, W)`` float32 in the file's units, higher is brighter; or RGB ``(H, W, 3)`` uint8.

    Raises:
        BenchbedError: The file is no DICOM image, is damaged, has no such frame, or a transfer
            syntax that cannot be decoded, which is named.
    """
    values, _ = next(decode_dicom_frames(path, (frame,)))
    return values


def decode_dicom_frames(path: Path, frames: Sequence[int]) -> Iterator[tuple[Values, str]]:
    """Decode frames of a file as `read_dicom_values` does.

    Yields:
        The values, and the bits per channel: ``"1"``, ``"8"`` if the values are from 0 to 255, or
        deeper, such as ``"16"`` or ``"32f"``.

    Raises:
        BenchbedError: As in `read_dicom_values`.
    """
    file = _DicomFile(path)
    for frame in frames:
        yield file.decode_frame(frame)


def read_dicom_volume(paths: Sequence[Path]) -> tuple[npt.NDArray[np.float32], Vector]:
    """Read a series of slices, or one file of several frames, as a volume.

    Slices are ordered by their position along the normal.

    Returns:
        Values ``(D, H, W)``, as in `read_dicom_values`, and the affine ``(4, 4)`` from the index
        ``(d, h, w, 1)`` to millimetres towards right, anterior and superior.

    Raises:
        BenchbedError: A file cannot be decoded or has no position; or slices are of different
            series, sizes or orientations, share a position, are missing or unevenly spaced.
    """
    slices = [
        found for path in paths for found in _DicomFile(path, with_pixels=False).list_slices()
    ]
    if len(slices) < 2:
        raise BenchbedError(
            f"{paths[0].parent} has one slice of its series, but a volume needs two or more."
        )
    _check_equal_geometry(slices)
    slices.sort(key=lambda found: found.position)
    step = _find_step(slices)
    affine = _build_affine(slices[0], step)
    return np.stack([*_decode_slices(slices)]), affine


def _decode_slices(slices: Sequence[_Slice]) -> Iterator[npt.NDArray[np.float32]]:
    for path, group in groupby(slices, key=lambda found: found.path):
        file = _DicomFile(path)
        for found in group:
            values, _ = file.decode_frame(found.frame)
            if values.ndim != 2:
                raise BenchbedError(f"{path} has colours. The slices of a volume must be grey.")
            yield values


@dataclass(frozen=True)
class _Slice:
    path: Path
    frame: int
    series: str
    shape: tuple[int, int]
    spacing: tuple[float, float]
    origin: Vector
    row_axis: Vector
    column_axis: Vector

    @property
    def position(self) -> float:
        return float(np.cross(self.row_axis, self.column_axis) @ self.origin)


class _DicomFile:
    """An image file of DICOM."""

    def __init__(self, path: Path, *, with_pixels: bool = True) -> None:
        self.path = path
        with self._name_errors():
            self._dataset = _read_dataset(path, with_pixels)
            self.shape = (int(self._dataset.get("Rows", 0)), int(self._dataset.get("Columns", 0)))
            self.frames = int(self._dataset.get("NumberOfFrames", None) or 1)
            self._allocated = int(self._dataset.get("BitsAllocated", 16))
            self._stored = int(self._dataset.get("BitsStored", self._allocated))
            self._signed = bool(self._dataset.get("PixelRepresentation", 0))
            self._photometric = str(self._dataset.get("PhotometricInterpretation", ""))
        if min(self.shape) < 1:
            raise BenchbedError(f"{path} is not a DICOM file with an image.")
        if self.shape[0] * self.shape[1] > MAX_FRAME_PIXELS or self.frames < 1:
            raise BenchbedError(
                f"{path} declares {self.frames} frames of {self.shape[1]} x {self.shape[0]} "
                "pixels, so its header is damaged."
            )

    @contextmanager
    def _name_errors(self) -> Iterator[None]:
        """Turn errors into `BenchbedError`; pydicom raises nearly every type for damaged files."""
        try:
            yield
        except BenchbedError:
            raise
        except Exception as error:
            # The text of the error may quote a field, which must not leave this module.
            raise BenchbedError(
                f"{self.path} cannot be decoded as DICOM: its header is damaged "
                f"({type(error).__name__})."
            ) from error

    def read_header(self) -> DicomHeader:
        with self._name_errors():
            dataset = self._dataset
            number = dataset.get("InstanceNumber")
            origin, axes = self._find_origin(0), self._find_axes(0)
            position = None
            if origin is not None and axes is not None:
                position = float(np.cross(*axes) @ origin)
            return DicomHeader(
                patient=_hash_id(dataset.get("PatientID")),
                series=_hash_id(dataset.get("SeriesInstanceUID")),
                position=position,
                number=int(number) if number not in (None, "") else None,
                frames=self.frames,
                shape=self.shape,
                modality=str(dataset.get("Modality") or ""),
                window=self._find_window(),
                spacing=self._find_spacing(0),
            )

    def list_slices(self) -> list[_Slice]:
        with self._name_errors():
            series = _hash_id(self._dataset.get("SeriesInstanceUID"))
            slices = []
            for frame in range(self.frames):
                origin, axes = self._find_origin(frame), self._find_axes(frame)
                spacing = self._find_spacing(frame)
                if origin is None or axes is None or spacing is None:
                    raise BenchbedError(
                        f"{self.path} has no position, orientation or pixel spacing, so it cannot "
                        "be a slice of a volume."
                    )
                slices.append(_Slice(self.path, frame, series, self.shape, spacing, origin, *axes))
            return slices

    def decode_frame(self, frame: int) -> tuple[Values, str]:
        """Return the values of a frame and its bits per channel."""
        if not 0 <= frame < self.frames:
            raise BenchbedError(f"{self.path} has no frame {frame + 1}: it has {self.frames}.")
        pixels = self._decode_pixels(frame)
        with self._name_errors():
            if pixels.ndim == 3:
                shift = max(self._stored - 8, 0)
                return np.asarray(pixels >> shift, np.uint8), "8"
            if self._photometric == "PALETTE COLOR":
                return self._apply_palette(pixels), "8"
            return self._scale_grey(pixels, frame)

    def _decode_pixels(self, frame: int) -> Values:
        from pydicom.pixels.utils import pixel_array

        syntax = self._dataset.file_meta.TransferSyntaxUID
        try:
            with np.errstate(all="ignore"):
                pixels = pixel_array(self._dataset, index=frame)
        except Exception as error:  # the plugins of pydicom raise nearly every type
            reason = describe_error(error).rstrip(":")
            if not syntax.is_compressed:
                raise BenchbedError(f"{self.path} cannot be decoded as DICOM: {reason}.") from error
            raise BenchbedError(
                f"{self.path} cannot be decoded: its transfer syntax is {syntax.name} ({syntax}). "
                "Convert it to an uncompressed one, such as Explicit VR Little Endian."
            ) from error
        if pixels.ndim not in (2, 3) or pixels.shape[:2] != self.shape:
            raise BenchbedError(f"{self.path} has pixels of another shape than its header.")
        return pixels

    def _apply_palette(self, pixels: Values) -> Values:
        from pydicom.pixels.processing import apply_color_lut

        colours = apply_color_lut(pixels, self._dataset)[..., :3]
        if colours.dtype == np.uint8:
            return colours
        return np.asarray(colours >> 8, np.uint8)

    def _scale_grey(self, pixels: Values, frame: int) -> tuple[Values, str]:
        """Apply the tables of a grey frame."""
        from pydicom.pixels.processing import apply_modality_lut, apply_voi

        padding = self._find_padding(pixels)
        modality = self._find_group(frame, "PixelValueTransformationSequence")
        values = apply_modality_lut(pixels, modality)
        low, high, bits = self._find_range(modality, pixels)
        table = self._find_voi_table()
        if table is not None:
            values = apply_voi(values, table)
            depth = int(self._dataset.VOILUTSequence[0].LUTDescriptor[2])
            low, high, bits = 0, 2**depth - 1, "8" if depth == 8 else "16"
        if "DoseGridScaling" in self._dataset:
            values, bits = values * float(self._dataset.DoseGridScaling), "32f"
        if self._photometric == "MONOCHROME1":
            values = low + high - values.astype(np.float64)
        values = np.asarray(values, np.float32)
        if padding.any() and not padding.all():
            values[padding] = values[~padding].min()
        return values, bits

    def _find_range(self, modality: Dataset, pixels: Values) -> tuple[float, float, str]:
        """Return the least and greatest possible value after the modality LUT, and the bits."""
        if pixels.dtype.kind == "f":
            return 0.0, 0.0, f"{pixels.dtype.itemsize * 8}f"
        if modality.get("ModalityLUTSequence"):
            depth = int(modality.ModalityLUTSequence[0].LUTDescriptor[2])
            return 0, 2**depth - 1, "8" if depth == 8 else "16"
        half = 2 ** (self._stored - 1)
        low, high = (-half, half - 1) if self._signed else (0, 2 * half - 1)
        slope, intercept = 1.0, 0.0
        if "RescaleSlope" in modality and "RescaleIntercept" in modality:
            slope, intercept = float(modality.RescaleSlope), float(modality.RescaleIntercept)
        bits = str(max(self._allocated, 16))
        if (slope, intercept, low) == (1, 0, 0) and self._stored in (1, 8):
            bits = str(self._stored)
        return low * slope + intercept, high * slope + intercept, bits

    def _find_voi_table(self) -> Dataset | None:
        """Return a dataset with the first VOI LUT table, or None."""
        if not self._dataset.get("VOILUTSequence"):
            return None
        table = copy.copy(self._dataset)
        item = copy.deepcopy(self._dataset.VOILUTSequence[0])
        entries, first, _ = item.LUTDescriptor
        # pydicom 3.0 computes the indices in the type of the entries: 8 bits are too few.
        item.LUTDescriptor = [entries, first, 16]
        table.VOILUTSequence = [item]
        return table

    def _find_padding(self, pixels: Values) -> npt.NDArray[np.bool_]:
        value = self._dataset.get("PixelPaddingValue")
        if value is None or pixels.dtype.kind == "f":
            return np.zeros(pixels.shape, bool)
        limit = self._dataset.get("PixelPaddingRangeLimit", value)
        low, high = sorted((int(value), int(limit)))
        return np.asarray((pixels >= low) & (pixels <= high))

    def _find_window(self) -> tuple[float, float] | None:
        """Return the ends of the first window, in the values that are read."""
        group = self._find_group(0, "FrameVOILUTSequence")
        center, width = (_get_numbers(group, name) for name in ("WindowCenter", "WindowWidth"))
        if not center or not width or self._dataset.get("VOILUTSequence"):
            return None
        if str(group.get("VOILUTFunction") or "LINEAR") == "LINEAR":
            # DICOM PS3.3 C.11.2.1.2.1: the ends are half a value off the centre.
            low = center[0] - 0.5 - (width[0] - 1) / 2
            high = low + width[0] - 1
        else:
            low, high = center[0] - width[0] / 2, center[0] + width[0] / 2
        if self._photometric == "MONOCHROME1":
            modality = self._find_group(0, "PixelValueTransformationSequence")
            least, greatest, _ = self._find_range(modality, np.zeros(0, np.int64))
            low, high = least + greatest - high, least + greatest - low
        return (low, high) if high > low else None

    @cached_property
    def _frame_groups(self) -> Sequence[Dataset]:
        return self._dataset.get("PerFrameFunctionalGroupsSequence") or ()

    def _find_group(self, frame: int, name: str) -> Dataset:
        """Return what holds fields of a frame: its group, the shared one, or the whole file."""
        own = self._frame_groups[frame : frame + 1]
        for groups in (own, self._dataset.get("SharedFunctionalGroupsSequence") or ()):
            if groups and groups[0].get(name):
                return groups[0][name].value[0]  # type: ignore[no-any-return]
        return self._dataset

    def _find_origin(self, frame: int) -> Vector | None:
        group = self._find_group(frame, "PlanePositionSequence")
        origin = _get_numbers(group, "ImagePositionPatient")
        if len(origin) != 3:
            return None
        if group is not self._dataset or frame == 0:
            return np.asarray(origin)
        offsets, axes = _get_numbers(self._dataset, "GridFrameOffsetVector"), self._find_axes(frame)
        if axes is None or len(offsets) != self.frames:
            return None
        return np.asarray(origin + np.cross(*axes) * (offsets[frame] - offsets[0]))

    def _find_axes(self, frame: int) -> tuple[Vector, Vector] | None:
        group = self._find_group(frame, "PlaneOrientationSequence")
        cosines = _get_numbers(group, "ImageOrientationPatient")
        if len(cosines) != 6:
            return None
        return np.asarray(cosines[:3]), np.asarray(cosines[3:])

    def _find_spacing(self, frame: int) -> tuple[float, float] | None:
        group = self._find_group(frame, "PixelMeasuresSequence")
        for name in ("PixelSpacing", "ImagerPixelSpacing"):
            spacing = _get_numbers(group, name)
            if len(spacing) == 2 and min(spacing) > 0:
                return spacing[0], spacing[1]
        return None


def _read_dataset(path: Path, with_pixels: bool) -> Dataset:
    import pydicom

    # Old files have no signature; those that are no DICOM have no rows and columns either.
    dataset = pydicom.dcmread(path, force=True, stop_before_pixels=not with_pixels)
    meta: Any = dataset.file_meta
    if "TransferSyntaxUID" not in meta:
        implicit, little = dataset.original_encoding
        uid = pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian
        meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian if implicit else uid
    return dataset


def _hash_id(value: object) -> str:
    text = str(value or "").strip()
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_DIGITS] if text else ""


def _get_numbers(dataset: Dataset, name: str) -> list[float]:
    """Return the finite numbers of a field; empty if it is missing or has others."""
    value = dataset.get(name)
    if value is None or value == "":
        return []
    numbers = [float(number) for number in np.atleast_1d(np.asarray(value, dtype=float))]
    return numbers if np.isfinite(numbers).all() else []


def _check_equal_geometry(slices: Sequence[_Slice]) -> None:
    first = slices[0]
    for other in slices[1:]:
        turns = (other.row_axis - first.row_axis, other.column_axis - first.column_axis)
        differs = {
            "series": other.series != first.series,
            "sizes": other.shape != first.shape,
            "pixel spacings": not np.allclose(other.spacing, first.spacing, rtol=1e-3),
            "orientations": np.abs(turns).max() > _ANGLE_TOLERANCE,
        }
        for name, is_different in differs.items():
            if is_different:
                raise BenchbedError(
                    f"{first.path} and {other.path} have different {name}, so they are not slices "
                    "of one volume."
                )


def _find_step(slices: Sequence[_Slice]) -> Vector:
    """Return the vector from one slice to the next, in mm; the slices are in order."""
    gaps = np.diff([found.position for found in slices])
    usual = float(np.median(gaps))
    for (one, other), gap in zip(pairwise(slices), gaps, strict=True):
        if gap <= _SPACING_TOLERANCE * usual or gap < 1e-3:
            raise BenchbedError(f"{_name_slice(one)} and {_name_slice(other)} have one position.")
        if abs(gap - usual) > _SPACING_TOLERANCE * usual:
            raise BenchbedError(
                f"{_name_slice(one)} and {_name_slice(other)} are {gap:.3g} mm apart, but most "
                f"slices of their series {usual:.3g} mm. Slices are missing, or unevenly spaced."
            )
    origins = np.stack([found.origin for found in slices])
    step = np.asarray((origins[-1] - origins[0]) / (len(slices) - 1))
    deviations = np.linalg.norm(
        origins - origins[0] - np.outer(np.arange(len(slices)), step), axis=1
    )
    if deviations.max() > max(1.0, usual):
        raise BenchbedError(
            f"{_name_slice(slices[int(deviations.argmax())])} is {deviations.max():.3g} mm off the "
            "line of its series, so its slices are not one volume."
        )
    return step


def _name_slice(found: _Slice) -> str:
    return f"{found.path}, frame {found.frame + 1}," if found.frame else str(found.path)


def _build_affine(first: _Slice, step: Vector) -> Vector:
    """Build the affine of a volume; DICOM's axes point to left, posterior and superior."""
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = first.column_axis * first.spacing[0]
    affine[:3, 2] = first.row_axis * first.spacing[1]
    affine[:3, 3] = first.origin
    affine[:2] *= -1
    return affine
