"""Read images as 8-bit pixels and masks as stored values, and examine both."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchbed.api.types import LUMA_WEIGHTS
from benchbed.data.io.decode import (
    Page,
    count_frames,
    decode_page,
    iter_pages,
    list_frames,
)
from benchbed.data.io.image_files import name_decode_errors
from benchbed.errors import BenchbedError

FileFacts = dict[str, str]

Pixels = npt.NDArray[np.uint8]

ROBUST_PERCENTILES = (0.5, 99.5)
"""Percentiles that become the ends of the range where values have no agreed one: of all pixels of
an image with more than 8 bits per channel, of the foreground of a volume."""

QUANTILE_POINTS = (
    *(0.0, 0.001, 0.0025, 0.005, 0.0075),
    *(round(n / 100, 2) for n in range(1, 100)),
    *(0.9925, 0.995, 0.9975, 0.999, 1.0),
)
"""Probabilities of the quantiles of an examined image, dense in the tails."""

MAX_MASK_VALUES = 4096
"""Number of different values from which the values of a mask are not listed."""

_SAMPLE_SIZE = 2**22
"""Number of values of a file from which its quantiles are computed."""

_INTEGER_TOLERANCE = 1e-3
"""Distance from an integer up to which a float in a mask is that integer."""


_MAX_FLOAT_VALUE = 2**53
"""Largest float in a mask: beyond it, floats do not hold every integer."""


def read_image(
    path: Path,
    channels: int,
    window: tuple[float, float] | None = None,
    page: int | None = None,
) -> Pixels:
    """Read an image as uint8, rotated upright by its EXIF orientation.

    Gzip is unpacked, palettes are applied, WhiteIsZero is inverted, transparency becomes black, and
    CMYK is converted. More than 8 bits per channel have no agreed range: the window becomes 0 to
    255, or without one the image's own 0.5th to 99.5th percentile; where these are equal, its
    smallest to largest value. Colours of more than 8 bits in JPEG 2000 and PPM, and any in DICOM,
    have the range of their depth.

    Args:
        path: The file.
        channels: 1 for grey, 3 for RGB.
        window: Values that become 0 and 255 in images of more than 8 bits, in their own units.
        page: Index of the page or DICOM frame; None for the first. Files of one page and animations
            have only their first, whatever the index.

    Returns:
        ``(H, W, channels)`` in [0, 255].

    Raises:
        BenchbedError: The file cannot be decoded or unpacked, has too many pixels, no such page or
            no finite pixel; or the window begins below 0, which unsigned values cannot reach.
    """
    decoded = decode_page(path, page)
    if decoded.values is not None:
        return _convert_values(decoded, channels, window, path)
    assert decoded.picture is not None
    with name_decode_errors(path):
        converted = _convert_mode(
            _remove_alpha(decoded.picture), "L" if channels == 1 else "RGB", path
        )
        pixels = np.asarray(converted, dtype=np.uint8)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def read_mask_values(path: Path, page: int | None = None) -> npt.NDArray[np.int64]:
    """Read the stored values of a mask.

    The value of a pixel is the index of a palette, a grey value (255 for white in 1-bit files),
    or a colour packed as ``0xRRGGBB``; RGB files whose channels are equal are grey. If opacity
    varies over one colour, the opacity is the value; constant opacity is ignored, but where
    nothing is visible, all is 0.

    Args:
        path: The file.
        page: Index of the page or DICOM frame, as in `read_image`.

    Returns:
        ``(H, W)``.

    Raises:
        BenchbedError: The file cannot be decoded, has NaN or fractional values, colours of more
            than 8 bits, or both opacity and colours that vary.
    """
    values, _ = _extract_mask(decode_page(path, page), path)
    return values


def count_pages(path: Path) -> int:
    """Count the pages of an image, or the frames of a DICOM file; an animation has one.

    Raises:
        BenchbedError: The file is no image, or cannot be unpacked.
    """
    return len(list_frames(path))


def examine_image(path: Path) -> FileFacts:
    """Decode all pages of an image and return what was found.

    Returns:
        ``shape`` of the first page; ``bits`` and ``channels`` as stored; ``pages``, the number of
        all; ``low`` and ``high``, the smallest and largest finite value; for more than 8 bits
        ``quantiles``, a JSON list of values at `QUANTILE_POINTS`. If more than half of these are
        the smallest one, the quantiles are those of the others, and ``background`` is that value.
        ``nan_pixels`` counts values that are not finite; ``frames`` those of an animation.

    Raises:
        BenchbedError: As in `read_image`.
    """
    facts: FileFacts = {}
    count = count_pages(path)
    samples: list[npt.NDArray[Any]] = []
    lows, highs = [], []
    nan_pixels = 0
    for page in iter_pages(path):
        values = _extract_values(page, path)
        finite = values[np.isfinite(values)]
        if finite.size == 0:
            raise _make_empty_error(path)
        nan_pixels += values.size - finite.size
        lows.append(finite.min())
        highs.append(finite.max())
        if page.values is not None:
            # An odd stride, so that it does not select the same columns of every row.
            samples.append(finite[:: (finite.size * count // _SAMPLE_SIZE) | 1])
        facts = facts or {
            "shape": _format_shape(values.shape[:2]),
            "bits": page.bits,
            "channels": str(values.shape[2] if values.ndim == 3 else 1),
        }
    facts |= {"pages": str(count), "low": _format(min(lows)), "high": _format(max(highs))}
    if (frames := count_frames(path)) > count:
        facts["frames"] = str(frames)
    if nan_pixels:
        facts["nan_pixels"] = str(nan_pixels)
    return facts | (_describe_distribution(samples) if samples else {})


def examine_mask(path: Path) -> FileFacts:
    """Decode all pages of a mask and return what was found.

    Returns:
        ``shape`` of the first page; ``pages``, the number of all; ``kind`` of the first, where the
        values come from: ``"grey"``, ``"palette"``, ``"colour"`` or ``"alpha"``; and ``values``,
        a JSON object of stored value and number of pixels, or ``"many"`` for more than
        `MAX_MASK_VALUES`. For a palette also ``palette``, a JSON object of stored value and colour
        such as ``"#ff0000"``, of those in the first page.

    Raises:
        BenchbedError: As in `read_mask_values`.
    """
    facts: FileFacts = {}
    counts: Counter[int] = Counter()
    for number, page in enumerate(iter_pages(path), 1):
        values, kind = _extract_mask(page, path)
        facts = facts or {
            "shape": _format_shape(values.shape), "kind": kind, **_describe_palette(page, values)
        }  # fmt: skip
        facts["pages"] = str(number)
        if len(counts) <= MAX_MASK_VALUES:
            for value, count in _iter_counts(values):
                counts[value] += count
    listed = json.dumps({str(value): counts[value] for value in sorted(counts)})
    return {**facts, "values": "many" if len(counts) > MAX_MASK_VALUES else listed}


def _convert_values(
    decoded: Page, channels: int, window: tuple[float, float] | None, path: Path
) -> Pixels:
    assert decoded.values is not None
    scaled = _scale_to_unit(decoded.values, path, window)
    if decoded.alpha is not None:
        opacity = decoded.alpha / (2 ** int(decoded.bits) - 1)
        scaled = scaled * (opacity if scaled.ndim == 2 else opacity[..., None])
    if channels == 1:
        scaled = _convert_to_grey(scaled)
    pixels = np.round(scaled * 255).astype(np.uint8)
    if pixels.ndim == 3:
        return pixels
    return np.repeat(pixels[..., None], channels, axis=2)


def _convert_to_grey(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return values if values.ndim == 2 else np.asarray(values @ np.asarray(LUMA_WEIGHTS))


def _scale_to_unit(
    values: npt.NDArray[Any], path: Path, window: tuple[float, float] | None
) -> npt.NDArray[np.float64]:
    """Scale values to [0, 1]; NaN becomes 0."""
    numbers = values.astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    if finite.size == 0:
        raise _make_empty_error(path)
    if window is not None and window[0] < 0 and values.dtype.kind == "u":
        raise BenchbedError(
            f"{path} has no value below 0, but its dataset has values from {window[0]:g} to "
            f"{window[1]:g}, so it was shifted or rescaled. Use the original file."
        )
    low, high = window or np.percentile(finite, ROBUST_PERCENTILES)
    if high <= low:  # nearly all pixels have one value, such as the 0 around a few bright spots
        low, high = finite.min(), finite.max()
    if high <= low:
        return np.zeros(numbers.shape)
    with np.errstate(all="ignore"):  # the range of damaged floats may overflow
        scaled = np.nan_to_num((numbers - low) / (high - low), nan=0.0, posinf=1.0, neginf=0.0)
    return np.asarray(scaled.clip(0, 1))


def _make_empty_error(path: Path) -> BenchbedError:
    return BenchbedError(f"{path} cannot be decoded as an image: all pixels are NaN.")


def _remove_alpha(picture: Image.Image) -> Image.Image:
    """Blend transparency with black, the background of medical images."""
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        black = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
        return Image.alpha_composite(black, rgba).convert("RGB")
    if picture.mode == "P":
        return picture.convert("RGB")
    return picture


def _convert_mode(picture: Image.Image, mode: str, path: Path) -> Image.Image:
    try:
        # Pillow converts LAB only to RGB.
        return (picture.convert("RGB") if picture.mode == "LAB" else picture).convert(mode)
    except ValueError as error:
        raise BenchbedError(f"{path} has an unsupported colour mode ({picture.mode}).") from error


def _extract_values(page: Page, path: Path) -> npt.NDArray[Any]:
    """Return the values of an image without alpha, ``(H, W)`` or ``(H, W, 3)``."""
    if page.values is not None:
        return page.values
    assert page.picture is not None
    with name_decode_errors(path):
        picture = page.picture
        is_grey = picture.mode in ("1", "L", "LA") or (
            picture.mode == "P" and _has_grey_palette(picture)
        )
        if picture.mode == "P":
            picture = picture.convert("RGB")
        return np.asarray(_convert_mode(picture, "L" if is_grey else "RGB", path))


def _has_grey_palette(picture: Image.Image) -> bool:
    colours = np.reshape(picture.getpalette("RGB") or [0, 0, 0], (-1, 3))
    return bool((colours == colours[:, :1]).all())


def _describe_distribution(samples: list[npt.NDArray[Any]]) -> FileFacts:
    """Return the quantiles of values, without the background if most have its value."""
    values = np.concatenate(samples).astype(np.float64)
    low = values.min()
    foreground = values[values > low]
    facts: FileFacts = {}
    if 0 < foreground.size < values.size / 2:
        facts["background"] = _format(low)
        values = foreground
    quantiles = np.quantile(values, QUANTILE_POINTS)
    return {"quantiles": json.dumps([float(_format(value)) for value in quantiles]), **facts}


def _extract_mask(page: Page, path: Path) -> tuple[npt.NDArray[np.int64], str]:
    """Return the stored values of a mask, and where they come from."""
    alpha: npt.NDArray[Any] | None
    if page.values is not None:
        colours, alpha = _round_to_integers(page.values, path), page.alpha
    else:
        assert page.picture is not None
        with name_decode_errors(path):
            if page.picture.mode == "P":
                return np.asarray(page.picture, np.int64), "palette"
            colours, alpha = _split_alpha(page.picture, path)
            if page.full_grey < 255:
                colours = np.round(colours * page.full_grey / 255).astype(np.int64)
    values, kind = _pack_colours(colours, path)
    return (values, kind) if alpha is None else _apply_alpha(values, alpha, kind, path)


def _describe_palette(page: Page, indices: npt.NDArray[np.int64]) -> FileFacts:
    """Return the colours of the used indices of a palette."""
    if page.picture is None or page.picture.mode != "P":
        return {}
    colours = np.reshape(page.picture.getpalette("RGB") or [], (-1, 3)).tolist()
    used = [number for number in np.unique(indices).tolist() if number < len(colours)]
    listed = {str(number): "#{:02x}{:02x}{:02x}".format(*colours[number]) for number in used}
    return {"palette": json.dumps(listed)}


def _round_to_integers(values: npt.NDArray[Any], path: Path) -> npt.NDArray[np.int64]:
    if values.dtype.kind != "f":
        if values.max() > np.iinfo(np.int64).max:
            raise BenchbedError(f"{path} is a mask with values of more than 63 bits.")
        return values.astype(np.int64)
    if not np.isfinite(values).all():
        raise BenchbedError(f"{path} is a mask with NaN pixels.")
    values = values.astype(np.float64)
    rounded = np.round(values)
    wrong = (np.abs(values - rounded) > _INTEGER_TOLERANCE) | (np.abs(rounded) > _MAX_FLOAT_VALUE)
    if wrong.any():
        raise BenchbedError(
            f"{path} is a mask with values that are no classes, such as {values[wrong][0]:g}. A "
            "mask must hold one integer per class; threshold it first."
        )
    return rounded.astype(np.int64)


def _split_alpha(
    picture: Image.Image, path: Path
) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any] | None]:
    """Return the colours of a mask, ``(H, W)`` or ``(H, W, 3)``, and its opacity or None."""
    if picture.mode == "1":
        return np.asarray(picture.convert("L"), np.int64), None
    has_alpha = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
    if picture.mode in ("L", "LA") and not has_alpha:
        return np.asarray(picture, np.int64), None
    stored = np.asarray(_convert_mode(picture, "RGBA" if has_alpha else "RGB", path), np.int64)
    return stored[..., :3], stored[..., 3] if has_alpha else None


def _pack_colours(colours: npt.NDArray[np.int64], path: Path) -> tuple[npt.NDArray[np.int64], str]:
    if colours.ndim == 2:
        return colours, "grey"
    if (colours == colours[..., :1]).all():
        return colours[..., 0], "grey"
    if colours.min() < 0 or colours.max() > 255:
        raise BenchbedError(
            f"{path} is a mask with colours of more than 8 bits. Save it with 8 bits per channel."
        )
    return colours @ np.asarray([2**16, 2**8, 1]), "colour"


def _apply_alpha(
    values: npt.NDArray[np.int64], alpha: npt.NDArray[Any], kind: str, path: Path
) -> tuple[npt.NDArray[np.int64], str]:
    """Decide whether the colours or the opacity of a mask are its values."""
    visible = values[alpha > 0]
    one_colour = values.min() == values.max() or (visible.size > 0 and np.ptp(visible) == 0)
    if alpha.min() == alpha.max():
        # A mask without foreground, where others have it in alpha.
        return (
            (np.zeros_like(values), "alpha") if one_colour and not alpha.any() else (values, kind)
        )
    if one_colour:
        return alpha.astype(np.int64), "alpha"
    raise BenchbedError(
        f"{path} is a mask with both colours and transparency, so its classes are ambiguous. Save "
        "it without an alpha channel, or with one colour."
    )


def _iter_counts(values: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Iterate over the different values and how many pixels have each."""
    if values.min() >= 0 and values.max() < 2**16:
        counts = np.bincount(values.ravel())  # faster than sorting
        found = np.flatnonzero(counts)
        return zip(found.tolist(), counts[found].tolist(), strict=True)
    unique, numbers = np.unique(values, return_counts=True)
    return zip(unique.tolist(), numbers.tolist(), strict=True)


def _format(value: Any) -> str:
    return str(int(value)) if float(value).is_integer() else f"{value:.9g}"


def _format_shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
