"""Profiles: the shapes that there are, those of an author's own, and what cannot be one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nexus_testing.errors import ConfigurationError
from nexus_testing.load.profiles import PROFILES, Profile, Stage, profile_called, read_profiles

if TYPE_CHECKING:
    from pathlib import Path


def test_the_shapes_that_there_are() -> None:
    """Six, each with stages that take time, a sentence and rules."""
    assert ["smoke", "average", "stress", "spike", "soak", "breakpoint"] == list(PROFILES)
    for profile in PROFILES.values():
        assert profile.seconds > 0
        assert profile.about
        assert profile.budgets or profile.recovery


def test_a_level_rises_and_falls_in_straight_lines() -> None:
    """Between the targets of two stages; after the last one there is none."""
    profile = Profile("mine", "open", (Stage(10, 2), Stage(10, 2), Stage(5, 0)), "")
    assert [0.0, 1.0, 2.0, 2.0, 1.0] == [profile.level(at) for at in (0, 5, 10, 15, 22.5)]
    assert profile.level(25) is None
    assert [(10, 0.0, 200.0), (10, 200.0, 200.0), (5, 200.0, 0.0)] == profile.ramps(100)


def test_a_profile_in_another_time() -> None:
    """Minutes become seconds; levels stay."""
    spike = PROFILES["spike"].scaled(1 / 60)
    assert 5.0 == pytest.approx(spike.seconds)
    assert [20, 0, 1] == [stage.target for stage in spike.stages]


def test_an_authors_own(tmp_path: Path) -> None:
    """It stands beside the others, and may take the name of one."""
    (tmp_path / "pyproject.toml").write_text(
        """
        [tool.nexus-testing.load.profiles.lunch]
        model = "open"
        stages = [[1, 3.0], [2, 3]]
        budgets = ["http_req_failed rate<1%"]
        about = "noon"
        """
    )
    known = read_profiles(tmp_path)
    assert known["lunch"] == Profile(
        "lunch", "open", (Stage(60, 3.0), Stage(120, 3.0)), "noon", ("http_req_failed rate<1%",)
    )
    assert set(PROFILES) < set(known)
    assert read_profiles(tmp_path / "nowhere") == PROFILES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stages = []", r"lunch\.stages = \[\] cannot be"),
        ("stages = [[1, -1]]", r"lunch\.stages\[0\] = -1 cannot be"),
        ("stages = [[0, 1]]", "a stage takes some time"),
        ("stages = [[1]]", "how many minutes, and to which multiple"),
        ("stages = [[1, true]]", "a number from 0 up"),
        ("stage = [[1, 1]]", "Did you mean 'stages'"),
        ("stages = [[1, 1]]\nmodel = 'opne'", "'closed' or 'open'"),
        ("stages = [[1, 1]]\nbudgets = 'x'", "a list of rules"),
        ("stages = [[1, 1", "pyproject.toml cannot be read"),
    ],
)
def test_what_cannot_be_a_profile(tmp_path: Path, text: str, message: str) -> None:
    """The error says key, value and why."""
    (tmp_path / "pyproject.toml").write_text(f"[tool.nexus-testing.load.profiles.lunch]\n{text}\n")
    with pytest.raises(ConfigurationError, match=message):
        read_profiles(tmp_path)


def test_a_name_that_is_none() -> None:
    """The nearest one is named."""
    with pytest.raises(ConfigurationError, match="Did you mean 'spike'"):
        profile_called("spik", PROFILES)
