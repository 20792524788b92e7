"""The tables that are printed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from .goals import (
    EXACT,
    EXPONENT_SLACK,
    HARD_GATE,
    HARNESS_SHARE,
    KNOWN_ANSWER,
    START_UP_SECONDS,
)
from .harness import LOGGED
from .known import KnownAnswer
from .measure import Measurement
from .record import Failure
from .scaling import Growth
from .start_up import PEER_NAME, StartUp

STYLES = {"met": "green", "gate": "yellow", "short": "red", "": ""}
MEBI = 2**20

GOALS = f"met: the goal is reached; gate: {HARD_GATE:g} of it, for noise; short: less."

TRAINING = (
    f"The goal of a method is asked of the better of its two precisions. Where that is the other "
    f"one, fp32 is hoped to reach {EXACT.ratio:g}, and its gate is never to be slower: "
    f"{EXACT.gate:g}. Harness: share of a step that the loop and its batches take, a row of the "
    f"log as often as in a run of {LOGGED.kimg:g} kimg, and a checkpoint a minute, waiting for the "
    f"disk included; pictures are left out. It is to be {HARNESS_SHARE:.0%} at most, and is not "
    f"looked at on an accelerator, where looking would be waiting."
)

METRICS = (
    "Differ by: largest relative difference from the reference's values, of MS-SSIM the largest "
    "difference, with the tolerance below."
)

BUSY = (
    "cpu: others used the machine, so this is the ratio of processor times; that of the times by "
    "the wall is below it."
)


def comparisons(group: str, made: Sequence[Measurement], failed: Sequence[Failure]) -> Table:
    """Ours against the references."""
    training = group == "training"
    rounds = sorted({len(one.laps) for one in made})
    title = f"{group}: medians of {' or '.join(map(str, rounds))} rounds in turns"
    table = Table(title=title if made else group)
    table.add_column("measurement\n[dim]against[/]")
    for name in ("ours\n[dim]reference[/]", "ratio\n[dim]spread[/]", "goal"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("of\npeak", "har-\nness") if training else ("differ\nby",):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("MiB\n[dim]reference[/]", justify="right", no_wrap=True)
    for one in made:
        ours, theirs = one.seconds()
        last = (
            [_share(one.share_of_peak()), _harness(one.harness_share)]
            if training
            else [_difference(one)]
        )
        table.add_row(
            f"[bold]{escape(one.label)}[/]\n{escape(one.what)}\n[dim]{escape(one.reference)}[/]",
            f"{seconds(ours)}\n[dim]{seconds(theirs)}[/]",
            _ratio(one),
            "" if one.goal is None else f"{one.goal.ratio:g}\n{_said(one.verdict)}",
            *last,
            _memory(one.memory),
        )
    for failure in failed:
        table.add_row(_not_measured(failure))
    table.caption = "\n".join(_remarks(group, made))
    table.caption_justify = "left"
    return table


def _remarks(group: str, made: Sequence[Measurement]) -> list[str]:
    found = [GOALS] if any(one.goal for one in made) else []
    found += {"training": [TRAINING], "metrics": [METRICS]}.get(group, [])
    found += [BUSY] if any(one.under.clock == "cpu" for one in made) else []
    notes: dict[str, list[str]] = {}
    for one in made:
        if one.note:
            notes.setdefault(one.note, []).append(one.name)
    return found + [escape(f"{', '.join(names)}: {note}.") for note, names in notes.items()]


def known_answers(made: Sequence[KnownAnswer]) -> Table:
    """Errors where the value is known."""
    table = Table(title="known answers: relative error")
    table.add_column("measurement")
    table.add_column("answer", justify="right")
    who = list(dict.fromkeys(name for one in made for name in one.found))
    for name in (*who, ""):
        table.add_column(name, justify="right", no_wrap=True)
    for one in made:
        errors = [f"{one.error(name):.0e}" if name in one.found else "" for name in who]
        table.add_row(
            f"[bold]{one.name}[/]\n{one.what}", f"{one.answer:.6g}", *errors, _said(one.verdict)
        )
    table.caption = f"met: at most {KNOWN_ANSWER:g}, and nobody is nearer, rounding apart."
    return table


def start_ups(made: Sequence[StartUp], failed: Sequence[Failure]) -> Table:
    """Commands against a bare python and a package's command."""
    table = Table(title="start-up: seconds beyond a bare python")
    for name in ("command", "beyond", "spread", "goal", "", f"ratio to {PEER_NAME}", "torch"):
        table.add_column(name)
    for one in made:
        middle, low, high = one.beyond()
        cpu = one.under.clock == "cpu"
        table.add_row(
            f"[bold]{one.name}[/]\n{escape(one.command)}",
            f"{middle:.3f}" + (f" cpu\n[dim]wall {one.beyond('wall')[0]:.3f}[/]" if cpu else ""),
            f"{low:.3f}-{high:.3f}",
            "no torch" if one.most is None else f"{one.most:g}",
            _said(one.verdict),
            f"{one.ratio():.1f}",
            "[red]imported[/]" if one.torch else "not imported",
        )
    for failure in failed:
        table.add_row(_not_measured(failure))
    table.caption = (
        f"met: at most {START_UP_SECONDS:g} s; gate: {START_UP_SECONDS / HARD_GATE:g} s; short: "
        f"more, or torch is imported."
    )
    return table


def growths(made: Sequence[Growth], failed: Sequence[Failure]) -> Table:
    """Fitted exponents."""
    table = Table(title="scaling: cost as a power of size, fitted over the larger sizes")
    for name in ("measurement", "sizes", "cost", "exponent", "demanded", ""):
        table.add_column(name)
    for one in made:
        values = one.values()
        shown = [
            seconds(value) if one.laps else f"{value / MEBI:.0f} MiB"
            for value in (values[0], values[-1])
        ]
        cpu = one.under.clock == "cpu" and one.laps
        table.add_row(
            f"[bold]{one.name}[/]\n[dim]{one.what}[/]",
            f"{one.sizes[0]} to {one.sizes[-1]}",
            " to ".join(shown),
            f"{one.exponent():.2f}"
            + (f" cpu\n[dim]wall {one.exponent('wall'):.2f}[/]" if cpu else ""),
            f"{one.least:.2f}{'*' if one.floor else ''}",
            _said(one.verdict),
        )
    for failure in failed:
        table.add_row(_not_measured(failure))
    table.caption = f"met: at most {EXPONENT_SLACK:g} above what the mathematics demands."
    if any(one.floor for one in made):
        table.caption += "\n*: the exponent of the operations alone that nobody can do without."
    return table


def seconds(value: float) -> str:
    """A time in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} µs"


def _said(verdict: str) -> str:
    return f"[{STYLES[verdict]}]{verdict}[/]" if verdict else ""


def _not_measured(failure: Failure) -> str:
    name = f"{failure.name}, {failure.precision}" if failure.precision else failure.name
    return f"[bold]{escape(name)}[/]\n[red]not measured: {escape(failure.why)}[/]"


def _ratio(one: Measurement) -> str:
    ratio, low, high = one.ratio()
    by_wall = f"\n[dim]wall {one.ratio('wall')[0]:.2f}[/]" if one.under.clock == "cpu" else ""
    return f"[bold]{ratio:.2f}[/]{' cpu' if by_wall else ''}\n[dim]{low:.2f}-{high:.2f}[/]{by_wall}"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _harness(share: float | None) -> str:
    if share is None:
        return ""
    return f"[{'green' if share <= HARNESS_SHARE else 'red'}]{share:.1%}[/]"


def _difference(one: Measurement) -> str:
    if one.difference is None:
        return ""
    shown = f"{one.difference:.0e}"
    if one.tolerance is None:
        return shown
    return f"{shown}\n[{'green' if one.agrees else 'red'}]of {one.tolerance:.0e}[/]"


def _memory(memory: tuple[int | None, int | None]) -> str:
    ours, theirs = ("?" if part is None else f"{part / MEBI:.0f}" for part in memory)
    return f"{ours}\n[dim]{theirs}[/]"
