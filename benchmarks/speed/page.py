"""What was measured as Markdown, for the project's own pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .measure import Measurement
from .results import Results
from .table import seconds


def page(results: Results) -> str:
    """The tables, one for each kind of measurement that there is.

    Args:
        results: What was measured on one machine.
    """
    about = results.machine
    flags = ", ".join(about["flags"])
    where = (
        f"{about.get('device', about['processor'])} ({flags}), {about['threads']} of "
        f"{about['cores']} cores, torch {about['torch']}."
    )
    if any(one.under.clock == "cpu" for one in results.made):
        where += " cpu: others used the machine, so times and ratios are those of the processors."
    return "\n\n".join([where, *_tables(results)]) + "\n"


def _tables(results: Results) -> Iterator[str]:
    made = results.made
    if training := [one for one in made if one.group == "training"]:
        yield _table(
            "training | seconds | plain | times as fast | goal | of peak | harness",
            (
                f"{_ratio(one)} | {_share(one.share_of_peak(), 0)} | {_share(one.harness_share, 1)}"
                for one in training
            ),
        )
    if others := [one for one in made if one.group != "training"]:
        yield _table(
            "metrics and data, against | seconds | reference | times as fast | goal | differ by",
            (
                f"{_ratio(one)} | {'' if one.difference is None else f'{one.difference:.0e}'}"
                for one in others
            ),
        )
    if results.started:
        yield _table(
            "start-up | beyond a bare python | goal | imports torch",
            (
                f"`{one.command}` | {one.beyond()[0]:.2f} s | "
                + ("" if one.most is None else f"{one.most:g} s, {one.verdict}")
                + f" | {'yes' if one.torch else 'no'}"
                for one in results.started
            ),
        )
    if results.grown:
        yield _table(
            "growth | sizes | exponent | demanded",
            (
                f"{one.what} | {one.sizes[0]} to {one.sizes[-1]} | {one.exponent():.2f} | "
                f"{one.least:.2f}, {one.verdict}"
                for one in results.grown
            ),
        )
    if results.failed:
        yield _table(
            "not measured | why",
            (f"{one.name} {one.precision} | {one.why}" for one in results.failed),
        )


def _table(heading: str, lines: Iterable[str]) -> str:
    columns = heading.count("|") + 1
    rule = " | ".join(["---"] + ["---:"] * (columns - 1))
    return "\n".join(f"| {line} |" for line in [heading, rule, *lines])


def _ratio(one: Measurement) -> str:
    ratio, low, high = one.ratio()
    ours, theirs = one.seconds()
    asked = "" if one.goal is None else f"{one.goal.ratio:g}, {one.verdict}"
    what = f"{one.what}, {one.precision if one.group == 'training' else one.reference}"
    clock = " cpu" if one.under.clock == "cpu" else ""
    return (
        f"{what} | {seconds(ours)} | {seconds(theirs)} | "
        f"**{ratio:.2f}**{clock} ({low:.2f} to {high:.2f}) | {asked}"
    )


def _share(share: float | None, digits: int) -> str:
    return "" if share is None else f"{share:.{digits}%}"
