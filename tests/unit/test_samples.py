"""Statistics of what was measured, schedules of what is to come, and spans as people write them."""

from __future__ import annotations

import random
import statistics
from itertools import pairwise

import pytest

from nexus_testing.performance import samples
from nexus_testing.performance.arrivals import Stage, digest, schedule
from nexus_testing.performance.samples import Track, distribution, figures, percentile
from nexus_testing.performance.units import shown


def test_percentiles_lie_on_straight_lines_between_values() -> None:
    """They are those of the standard library's inclusive method."""
    rng = random.Random(1)  # noqa: S311 - no secret
    values = sorted(rng.random() for _ in range(333))
    expected = statistics.quantiles(values, n=1000, method="inclusive")
    for percent in (1, 50, 95, 99, 99.9):
        assert percentile(values, percent) == pytest.approx(expected[round(percent * 10) - 1])
    assert (values[0], values[-1]) == (percentile(values, 0), percentile(values, 100))


def test_nothing_has_no_statistics() -> None:
    """None, rather than zeros that any budget holds against."""
    assert distribution([]) is None
    empty = figures(Track(), 0.0)
    assert (0, 0.0, None, [], []) == (empty.count, empty.rate, empty.duration, empty.histogram, empty.series)


def test_very_many_values_become_a_histogram(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its percentiles are right to three digits, and the result says how they were found."""
    pytest.importorskip("hdrh", reason="the extra performance is not installed")
    rng = random.Random(2)  # noqa: S311 - no secret
    values = [rng.lognormvariate(-7, 1) for _ in range(20_000)]
    exact = distribution(values)
    monkeypatch.setattr(samples, "RAW_LIMIT", 10_000)
    found = distribution(values)
    assert exact is not None
    assert found is not None
    assert ("linear", "hdr") == (exact.method, found.method)
    for name in ("min", "p50", "p95", "p99", "p99_9", "max"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), rel=2e-3)


def test_without_the_library_all_values_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Percentiles are exact then."""
    monkeypatch.setattr(samples, "RAW_LIMIT", 10)
    monkeypatch.setitem(__import__("sys").modules, "hdrh.histogram", None)
    found = distribution([float(number) for number in range(101)])
    assert found is not None
    assert ("linear", 50.0, 95.0) == (found.method, found.p50, found.p95)


def test_a_series_tells_when_things_happened() -> None:
    """Each moment has the requests that ended in it, those without any stand empty."""
    track = Track()
    for end, reason in ((0.05, None), (0.06, "500"), (0.31, None)):
        track.add(end, 0.01, 0.01, 0.01, 200, reason)
    moments = figures(track, 0.4).series
    assert [(2, 1), (0, 0), (0, 0), (1, 0)] == [(moment.count, moment.failed) for moment in moments]
    assert (None, 0.01) == (moments[1].max, moments[3].max)


def test_even_arrivals_are_evenly_spread() -> None:
    """So many as the rate says, at equal distances from the start on."""
    assert pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4]) == list(schedule([Stage(0.5, 10, 10)]))


def test_a_ramp_goes_by_the_integral_of_its_rate() -> None:
    """From 0 to 100 a second in two seconds are 100 requests, a quarter of them in the first half; then it goes on."""
    due = schedule([Stage(2, 0, 100), Stage(1, 100, 100)])
    assert 200 == len(due)
    assert 25 == sum(1 for at in due if at < 1)
    assert 100 == sum(1 for at in due if at < 2)
    assert all(one < other for one, other in pairwise(due))


def test_arrivals_at_random_are_the_seed_s() -> None:
    """The same seed is the same schedule; distances vary as those of a Poisson process do."""
    due = schedule([Stage(100, 50, 50)], seed=3)
    assert digest(due) == digest(schedule([Stage(100, 50, 50)], seed=3))
    assert digest(due) != digest(schedule([Stage(100, 50, 50)], seed=4))
    gaps = [other - one for one, other in pairwise(due)]
    assert 4700 < len(due) < 5300
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.1)


@pytest.mark.parametrize(
    ("span", "text"), [(0.0000234, "23.4 µs"), (0.0123, "12.3 ms"), (1.5, "1.5 s"), (4000.0, "4000 s"), (0.0, "0 µs")]
)
def test_spans_are_shown_in_the_unit_that_suits_them(span: float, text: str) -> None:
    """Three digits are enough for people."""
    assert text == shown(span)
