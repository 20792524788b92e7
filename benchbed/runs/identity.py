"""The hash at the end of a run id, equal whether computed from a plan or from a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchbed.files import hash_json
from benchbed.protocol import normalize_number


def compute_run_hash(
    *,
    method: str,
    settings: Mapping[str, Any],
    protocol: str,
    seed: int,
    precision: str,
    pairs: Mapping[str, Any] | None,
    masks: Mapping[str, Any] | None,
) -> str:
    """Return eight hexadecimal digits that identify a run.

    Args:
        method: Its method.
        settings: All of the method's settings, in JSON types.
        protocol: The protocol's hash.
        seed: Its random seed.
        precision: ``"fp32"`` or ``"bf16"``.
        pairs: Its training set as `build_pairs_dict` returns it; None if the task has no regimes.
        masks: Source of its pseudo-labels as `build_masks_dict` returns it; None without them.
    """
    found: dict[str, Any] = {
        "method": method,
        "settings": settings,
        "protocol": protocol,
        "seed": seed,
        "precision": precision,
    }
    # Keys that did not exist in the first version are left out if unused: old hashes stay valid.
    if pairs is not None:
        found["pairs"] = pairs
    if masks is not None:
        found["masks"] = masks
    return hash_json(found, 8)


def build_pairs_dict(
    *,
    regime: str,
    real_share: float,
    generator: str | None,
    run: str | None,
    dataset: str | None,
    kimg: float | None,
    count: int,
    masks: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the composition of a training set, for ``run.json`` and the hash.

    Args:
        regime: A key of `REGIMES`.
        real_share: Share of the real training cases that are used.
        generator: Method that makes the pairs; None under the regime ``"real"``.
        run: Run id of the generator.
        dataset: Dataset of the generator.
        kimg: Budget of the generator in thousands of images.
        count: Number of pairs.
        masks: Source of the generator's pseudo-labels, as `build_masks_dict` returns it.
    """
    # Left out at its default, which keeps hashes from before the option valid.
    share = {} if real_share == 1.0 else {"real_share": real_share}
    if generator is None:
        return {"regime": regime, **share}
    return {
        "regime": regime,
        **share,
        "generator": generator,
        "run": run,
        "dataset": dataset,
        "kimg": _normalize_kimg(kimg),
        "count": count,
        **({} if masks is None else {"masks": masks}),
    }


def build_masks_dict(*, dataset: str, annotator: str, run: str, kimg: float | None) -> dict[str, Any]:
    """Return the source of pseudo-labels, for ``run.json`` and the hash."""
    return {"dataset": dataset, "annotator": annotator, "run": run, "kimg": _normalize_kimg(kimg)}


def _normalize_kimg(kimg: float | None) -> float | None:
    return None if kimg is None else normalize_number(kimg)
