"""Metrics over the training budget, from records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from xml.etree import ElementTree

import pytest

from benchbed.api.specs import MetricSpec
from benchbed.registry.lookup import get_registry
from benchbed.report.model.build import build_budget_figures, build_frame
from benchbed.report.model.leaderboard import BudgetFigure
from benchbed.report.render import budget_chart
from benchbed.results.record import Record

Make = Callable[..., Record]

BUDGETS = (2.0, 8.0, 4.0)


def _budgets(records: Iterable[Record]) -> tuple[BudgetFigure, ...]:
    metrics = get_registry().get_specs(MetricSpec)
    return build_budget_figures("board", build_frame(records), [metrics["swd"], metrics["kl"]], {})


def _records(make: Make) -> list[Record]:
    """Return two methods on two datasets with three budgets and two seeds, and one lone run."""
    records = [
        make(method, seed, values={"swd": 1 / kimg + seed, "kl": 1.0}, dataset=name, kimg=kimg)
        for method in ("dcgan", "pggan")
        for name in ("a", "b")
        for kimg in BUDGETS
        for seed in (0, 1)
    ]
    return [*records, make("wgan", values={"swd": 1.0}, dataset="a", kimg=2.0)]


def test_runs_with_several_budgets_form_a_curve(make: Make) -> None:
    """Sorted by budget and seed; a metric without direction or a single budget has none."""
    (found,) = _budgets(_records(make))
    assert [(p.dataset, p.metric.name) for p in found.panels] == [("a", "swd"), ("b", "swd")]
    assert [course.label for course in found.panels[0].curves] == ["dcgan", "pggan"]
    course = found.panels[0].curves[0]
    assert course.points == ((2, 0.5), (2, 1.5), (4, 0.25), (4, 1.25), (8, 0.125), (8, 1.125))
    assert course.means == {2: 1.0, 4: 0.75, 8: 0.625}


def test_runs_that_differ_beyond_the_budget_have_separate_pictures(make: Make) -> None:
    """Other sources, sizes or sample counts; budgets in seconds are not drawn."""
    more = [
        make("dcgan", values={"swd": kimg}, kimg=kimg, dataset="a", **change)
        for kimg in BUDGETS
        for change in ({"source": "phantom"}, {"size": 128}, {"samples": 7})
    ]
    timed = [make("dcgan", dataset="a", kimg=None, seconds=s) for s in (60.0, 120.0)]
    found = _budgets([*_records(make), *more, *timed])
    assert len(found) == len({budgets.picture_file for budgets in found}) == 4
    assert {len(budgets.panels) for budgets in found} == {1, 2}
    assert not _budgets(timed)


def test_different_data_of_one_name_have_separate_panels(make: Make) -> None:
    """Otherwise runs on more images would look like the effect of a larger budget."""
    changed = [make("dcgan", dataset="a", kimg=kimg, fingerprint="ffff") for kimg in BUDGETS]
    (found,) = _budgets([*_records(make), *changed])
    swd = [panel for panel in found.panels if panel.metric.name == "swd"]
    assert [panel.dataset for panel in swd] == ["a (1)", "a (2)", "b"]
    assert sorted(len(panel.curves[0].points) for panel in swd) == [3, 6, 6]


def test_a_single_budget_gives_no_curve(make: Make) -> None:
    assert not _budgets(make("dcgan", seed, kimg=8.0) for seed in (0, 1))


def test_labels_contain_only_settings_in_which_curves_differ(make: Make) -> None:
    """A single run with other settings has no curve and changes no label."""
    lone = make("dcgan", dataset="c", kimg=2.0, settings={"width": 9})
    (found,) = _budgets([*_records(make), lone])
    assert {c.label for p in found.panels for c in p.curves} == {"dcgan", "pggan"}


def test_picture_contains_methods_and_budgets(make: Make) -> None:
    (found,) = _budgets(_records(make))
    drawn = budget_chart.draw_budgets(found)
    assert drawn == budget_chart.draw_budgets(found), "the same records give the same bytes"
    assert budget_chart.hash_budgets(found) in drawn
    texts = {element.text for element in ElementTree.fromstring(drawn).iter() if element.text}
    assert {"dcgan", "pggan", "a: SWD ↓", "b: SWD ↓", "kimg", "2", "4", "8"} <= texts
    assert "wgan" not in texts


def test_every_budget_has_a_tick_when_datasets_differ_in_budgets(make: Make) -> None:
    """Panels share an axis, so the last panel must not set the ticks of all."""
    later = [make("dcgan", values={"swd": 1.0}, dataset="z", kimg=kimg) for kimg in (8.0, 16.0)]
    (found,) = _budgets([*_records(make), *later])
    root = ElementTree.fromstring(budget_chart.draw_budgets(found))
    assert {"2", "4", "8", "16"} <= {element.text for element in root.iter()}


@pytest.mark.parametrize("count", [1, 12])
def test_picture_is_large_enough_for_its_legend(make: Make, count: int) -> None:
    names = [f"a-method-of-a-rather-long-name-{place:02d}" for place in range(count)]
    records = [make(m, values={"swd": 1.0}, kimg=k) for m in names for k in BUDGETS]
    (found,) = _budgets(records)
    root = ElementTree.fromstring(budget_chart.draw_budgets(found))
    width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
    assert width >= 72 * 0.06 * len(names[0])
    assert height >= 72 * 0.18 * count
