"""Budgets of a run of load: which hold by themselves, and what the exit code says."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from nexus_testing.load.judgement import budgets, exit_code, measured, tracks_of, verdicts
from nexus_testing.load.profiles import PROFILES
from nexus_testing.performance.traffic import Operation

ORDERS = Operation("GET", "/orders", 1.0, "", [], None, None)
HIDDEN = Operation("GET", "/hidden", 0.0, "", [], None, None)
SAMPLES = [("GET /orders", 0.1 * number, 0.01, 0.01, 200, None) for number in range(20)]


class Verdict(NamedTuple):
    status: str
    outcome: str


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([], 0),
        ([Verdict("PASS", "passed"), Verdict("WARN", "passed")], 0),
        ([Verdict("NO_DATA", "failed")], 3),
        ([Verdict("INCONCLUSIVE", "skipped")], 3),
        ([Verdict("NO_DATA", "skipped")], 0),
        ([Verdict("INCONCLUSIVE", "skipped"), Verdict("FAIL", "failed")], 1),
    ],
)
def test_the_exit_code(found: list[Verdict], code: int) -> None:
    """A budget that does not hold stands above one of which it is not known; only what holds is green."""
    assert code == exit_code(found)


def test_an_authors_budget_takes_the_place_of_the_profiles() -> None:
    """On the same metric; the others stay."""
    rules = [one.rule.text for one in budgets(PROFILES["average"], ["http_req_duration p(99) < 1s"], [ORDERS])]
    assert "http_req_duration p(99) < 1s" in rules
    assert not [text for text in rules if "p(95)" in text]
    assert "http_req_failed rate < 1%" in rules


def test_every_route_of_a_smoke_test() -> None:
    """Has a budget of its own, but for those that are never asked; one that was not asked fails it."""
    rules = budgets(PROFILES["smoke"], [], [ORDERS, HIDDEN, ORDERS._replace(path="/lost")])
    found = {one.rule: one.status for one in verdicts(rules, measured(tracks_of(SAMPLES), elapsed=2.0))}
    assert found["http_reqs{route:GET /orders} count > 0"] == "PASS"
    assert found["http_reqs{route:GET /lost} count > 0"] in {"FAIL", "NO_DATA"}
    assert "http_reqs{route:GET /hidden} count > 0" not in found


def test_a_run_that_sent_nothing_is_not_green() -> None:
    """Whatever its budgets are."""
    rules = budgets(PROFILES["soak"], [], [ORDERS])
    assert exit_code(verdicts(rules, measured({}, elapsed=0.0))) != 0


def test_a_generator_that_was_slow_itself() -> None:
    """Of times nothing is known then."""
    rules = budgets(PROFILES["average"], ["http_req_duration max < 5ms"], [ORDERS])
    quick, slow = (measured(tracks_of(SAMPLES), elapsed=2.0, generator=share) for share in (0.5, 0.95))
    assert "FAIL" == verdicts(rules, quick)[0].status
    assert "INCONCLUSIVE" == verdicts(rules, slow)[0].status
