"""What a run is: the hash at the end of its name, the same from its plan and from its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchbed.files import digest
from benchbed.protocol import plain_number


def identity(
    *,
    method: str,
    settings: Mapping[str, Any],
    protocol: str,
    seed: int,
    precision: str,
    pairs: Mapping[str, Any] | None,
    masks: Mapping[str, Any] | None,
) -> str:
    """Eight hexadecimal digits over all that makes a run what it is.

    Args:
        method: Its method.
        settings: All of the method's settings, as JSON can hold them.
        protocol: The protocol's hash.
        seed: Its seed.
        precision: ``"fp32"`` or ``"bf16"``.
        pairs: What its training set is made of, as `pairs_of` says it, where that is a question.
        masks: Where its masks come from, as `masks_of` says it, where they are lent.
    """
    found: dict[str, Any] = {
        "method": method,
        "settings": settings,
        "protocol": protocol,
        "seed": seed,
        "precision": precision,
    }
    # What there was no word for when the first runs were made stays unsaid where it is not asked.
    if pairs is not None:
        found["pairs"] = pairs
    if masks is not None:
        found["masks"] = masks
    return digest(found, 8)


def pairs_of(
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
    """What a training set is made of, for ``run.json`` and the identity.

    Args:
        regime: A key of `REGIMES`.
        real_share: Share of the real training cases that are used.
        generator: Method that makes the pairs; None under the regime ``"real"``.
        run: Its run.
        dataset: What it is trained on.
        kimg: Its budget in thousands of images.
        count: Number of pairs.
        masks: Where the masks that it learns from come from, as `masks_of` says it.
    """
    # A share of one is what there was before shares could be told.
    share = {} if real_share == 1.0 else {"real_share": real_share}
    if generator is None:
        return {"regime": regime, **share}
    return {
        "regime": regime,
        **share,
        "generator": generator,
        "run": run,
        "dataset": dataset,
        "kimg": _plain(kimg),
        "count": count,
        **({} if masks is None else {"masks": masks}),
    }


def masks_of(*, dataset: str, annotator: str, run: str, kimg: float | None) -> dict[str, Any]:
    """Where lent masks come from, for ``run.json`` and the identity.

    Args:
        dataset: The data set that has masks.
        annotator: The method that learns from them and draws those that are missing.
        run: Its run.
        kimg: Its budget in thousands of images.
    """
    return {"dataset": dataset, "annotator": annotator, "run": run, "kimg": _plain(kimg)}


def _plain(kimg: float | None) -> float | None:
    return None if kimg is None else plain_number(kimg)
