"""Decode a DICOM file: its frames, and the few header fields that are used."""

from __future__ import annotations

import copy
import hashlib
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from benchbed.errors import BenchbedError, describe_error

if TYPE_CHECKING:
    from pydicom import Dataset

Values = npt.NDArray[Any]
Vector = npt.NDArray[np.float64]

MAX_FRAME_PIXELS = 2**28 // 3
"""Maximum number of pixels of a frame."""

_ID_DIGITS = 12

# pydicom warns of every deviation from the standard that it can work around.
warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")


@dataclass(frozen=True)
class DicomSlice:
    """A frame with its place in the patient.

    Attributes:
        path: The file.
        frame: Index of the frame.
        series: Hash of the series UID.
        shape: Rows and columns.
        spacing: Distance of rows and of columns in mm.
        origin: Centre of the first pixel in mm, towards left, posterior and superior.
        row_axis: Direction in which the column index grows.
        column_axis: Direction in which the row index grows.
    """

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
        """Position along the normal of the slice, in mm."""
        return float(np.cross(self.row_axis, self.column_axis) @ self.origin)


class DicomFile:
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
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise BenchbedError(f"{self.path} cannot be read: {reason}.") from error
        except Exception as error:
            # The text of the error may quote a field, which must not leave this module.
            raise BenchbedError(
                f"{self.path} cannot be decoded as DICOM: its header is damaged "
                f"({type(error).__name__})."
            ) from error

    @property
    def patient(self) -> str:
        """Hash of the patient id; empty without one."""
        with self._name_errors():
            return _hash_id(self._dataset.get("PatientID"))

    @property
    def series(self) -> str:
        """Hash of the series UID; empty without one."""
        with self._name_errors():
            return _hash_id(self._dataset.get("SeriesInstanceUID"))

    @property
    def number(self) -> int | None:
        """Number in the series."""
        with self._name_errors():
            numbers = _get_numbers(self._dataset, "InstanceNumber")
            return int(numbers[0]) if numbers else None

    @property
    def modality(self) -> str:
        """Modality, such as ``"CT"``; empty if it is missing or no code."""
        with self._name_errors():
            code = str(self._dataset.get("Modality") or "")
            return code if re.fullmatch(r"[A-Z0-9_]{1,16}", code) else ""

    @property
    def position(self) -> float | None:
        """Position of the first frame along its normal, in mm."""
        with self._name_errors():
            origin, axes = self._find_origin(0), self._find_axes(0)
            return None if origin is None or axes is None else float(np.cross(*axes) @ origin)

    @property
    def spacing(self) -> tuple[float, float] | None:
        """Distance of rows and of columns in mm."""
        with self._name_errors():
            return self._find_spacing(0)

    @property
    def window(self) -> tuple[float, float] | None:
        """Ends of the first window, in the values that `decode_frame` returns."""
        with self._name_errors():
            return self._find_window()

    def list_slices(self) -> list[DicomSlice]:
        """Return the frames with their places.

        Raises:
            BenchbedError: A frame has no position, orientation or pixel spacing.
        """
        series = self.series
        with self._name_errors():
            slices = []
            for frame in range(self.frames):
                origin, axes = self._find_origin(frame), self._find_axes(frame)
                spacing = self._find_spacing(frame)
                if origin is None or axes is None or spacing is None:
                    raise BenchbedError(
                        f"{self.path} has no position, orientation or pixel spacing, so it cannot "
                        "be a slice of a volume."
                    )
                slices.append(
                    DicomSlice(self.path, frame, series, self.shape, spacing, origin, *axes)
                )
            return slices

    def decode_frame(self, frame: int) -> tuple[Values, str]:
        """Decode a frame as `read_dicom_values` does.

        Returns:
            The values, and the bits per channel: ``"1"``, ``"8"`` if the values are from 0 to 255,
            or deeper, such as ``"16"`` or ``"32f"``.
        """
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

        try:
            with np.errstate(all="ignore"):
                pixels = pixel_array(self._dataset, index=frame)
        except Exception as error:  # the plugins of pydicom raise nearly every type
            raise self._explain_undecodable(error) from error
        if pixels.ndim not in (2, 3) or pixels.shape[:2] != self.shape:
            raise BenchbedError(f"{self.path} has pixels of another shape than its header.")
        return pixels

    def _explain_undecodable(self, error: Exception) -> BenchbedError:
        """Name the transfer syntax if it is compressed or unknown."""
        syntax = self._dataset.file_meta.TransferSyntaxUID
        if syntax.is_transfer_syntax and not syntax.is_compressed:
            reason = describe_error(error).rstrip(":")
            return BenchbedError(f"{self.path} cannot be decoded as DICOM: {reason}.")
        uid = re.sub(r"[^0-9.]", "?", syntax)
        name = f"{syntax.name} ({uid})" if syntax.is_transfer_syntax else f"unknown ({uid})"
        return BenchbedError(
            f"{self.path} cannot be decoded: its transfer syntax is {name}. Install decoders "
            "for pydicom, such as pylibjpeg, or convert it to Explicit VR Little Endian."
        )

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
        low, high, bits = self._find_range(modality, pixels)
        values = apply_modality_lut(*_prepare_table(pixels, modality, "ModalityLUTSequence"))
        if self._dataset.get("VOILUTSequence"):
            low, high, bits = _get_table_range(self._dataset.VOILUTSequence[0])
            values = apply_voi(*_prepare_table(values, self._dataset, "VOILUTSequence"))
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
            return _get_table_range(modality.ModalityLUTSequence[0])
        half = 2 ** (self._stored - 1)
        low, high = (-half, half - 1) if self._signed else (0, 2 * half - 1)
        slope, intercept = 1.0, 0.0
        if "RescaleSlope" in modality and "RescaleIntercept" in modality:
            slope, intercept = float(modality.RescaleSlope), float(modality.RescaleIntercept)
        bits = str(max(self._allocated, 16))
        if (slope, intercept, low) == (1, 0, 0) and self._stored in (1, 8):
            bits = str(self._stored)
        return low * slope + intercept, high * slope + intercept, bits

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


def _get_table_range(item: Dataset) -> tuple[float, float, str]:
    """Return the least and greatest value of a lookup table, and the bits."""
    depth = int(item.LUTDescriptor[2])
    return 0, 2**depth - 1, "8" if depth == 8 else "16"


def _prepare_table(values: Values, dataset: Dataset, name: str) -> tuple[Values, Dataset]:
    """Return values and lookup table in a form for which pydicom 3.0 computes no wrong index.

    It computes indices in the type of the table's entries, of which 8 bits are too few.
    """
    if not dataset.get(name):
        return values, dataset
    table = copy.copy(dataset)
    item = copy.deepcopy(dataset[name].value[0])
    entries, first, _ = (int(number) for number in item.LUTDescriptor)
    item.LUTDescriptor = [entries, first, 16]
    setattr(table, name, [item])
    indices = np.rint(values).astype(np.int64)
    return indices.clip(first, first + (entries or 2**16) - 1), table


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
