"""The tables that are printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table

from .clock import Clock
from .goals import EXPONENT_SLACK, HARD_GATE, HARNESS_SHARE, START_UP_SECONDS, verdict
from .measure import Measurement
from .scaling import Growth
from .start_up import PEER_NAME, StartUp

STYLES = {"met": "green", "gate": "yellow", "short": "red", "": ""}
MEBI = 2**20


def comparisons(
    group: str, made: Sequence[Measurement], peaks: dict[str, float], clock: Clock
) -> Table:
    """Ours against the references."""
    table = Table(title=f"{group}: medians of {len(made[0].laps)} rounds in turns, {clock} time")
    table.add_column("measurement\n[dim]against[/]")
    for name in ("ours\n[dim]reference[/]", "ratio\n[dim]spread[/]", "goal"):
        table.add_column(name, justify="right", no_wrap=True)
    training = group == "training"
    for name in ("of\npeak", "har-\nness") if training else ("differ\nby",):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("MiB\n[dim]reference[/]", justify="right", no_wrap=True)
    for one in made:
        ours, theirs = one.seconds(clock)
        ratio, low, high = one.ratio(clock)
        said = verdict(ratio, one.goal)
        last = (
            [_share(one.share_of(peaks[one.precision], clock)), _harness(one.harness_share)]
            if training
            else [_difference(one)]
        )
        table.add_row(
            f"[bold]{one.name}[/]{f', {one.precision}' if training else ''}\n"
            f"{one.what}\n[dim]{one.reference}[/]",
            f"{seconds(ours)}\n[dim]{seconds(theirs)}[/]",
            f"[bold]{ratio:.2f}[/]\n[dim]{low:.2f}-{high:.2f}[/]",
            "" if one.goal is None else f"{one.goal:g}\n[{STYLES[said]}]{said}[/]",
            *last,
            _memory(one.memory),
        )
    table.caption = (
        f"met: the goal is reached; gate: {HARD_GATE:g} of it, which is the hard gate for noise; "
        "short: less."
    )
    return table


def start_ups(made: Iterable[StartUp], clock: Clock) -> Table:
    """Commands against a bare python and a package's command."""
    table = Table(title=f"start-up: seconds beyond a bare python, {clock} time")
    for name in ("command", "beyond", "spread", "goal", "", f"ratio to {PEER_NAME}", "torch"):
        table.add_column(name)
    for one in made:
        middle, low, high = one.beyond(clock)
        said = verdict(START_UP_SECONDS / max(middle, 1e-3), 1.0)
        goal = "" if one.name.endswith("report") else f"{START_UP_SECONDS:g}"
        table.add_row(
            one.name,
            f"{middle:.3f}",
            f"{low:.3f}-{high:.3f}",
            goal,
            f"[{STYLES[said]}]{said}[/]" if goal else "",
            f"{one.ratio(clock):.1f}",
            "[red]imported[/]" if one.torch else "not imported",
        )
    return table


def growths(made: Iterable[Growth], clock: Clock) -> Table:
    """Fitted exponents."""
    table = Table(title="scaling: cost as a power of size, fitted over the larger sizes")
    for name in ("measurement", "sizes", "cost", "exponent", "demanded", ""):
        table.add_column(name)
    for one in made:
        values = one.values(clock)
        shown = [
            seconds(value) if one.laps else f"{value / MEBI:.0f} MiB"
            for value in (values[0], values[-1])
        ]
        table.add_row(
            f"[bold]{one.name}[/]\n[dim]{one.what}[/]",
            f"{one.sizes[0]} to {one.sizes[-1]}",
            " to ".join(shown),
            f"{one.exponent(clock):.2f}",
            f"{one.demanded:g}",
            "[green]met[/]" if one.fits(clock) else "[red]short[/]",
        )
    table.caption = f"met: at most {EXPONENT_SLACK:g} above what the mathematics demands."
    return table


def seconds(value: float) -> str:
    """A time in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} µs"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _harness(share: float | None) -> str:
    if share is None:
        return ""
    return f"[{'green' if share <= HARNESS_SHARE else 'red'}]{share:.1%}[/]"


def _difference(one: Measurement) -> str:
    return "" if one.difference is None else f"{one.difference:.0e}"


def _memory(memory: tuple[int | None, int | None]) -> str:
    ours, theirs = ("?" if part is None else f"{part / MEBI:.0f}" for part in memory)
    return f"{ours}\n[dim]{theirs}[/]"
