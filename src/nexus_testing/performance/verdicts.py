"""What became of each budget."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ("Status", "Verdict")

Status = Literal["PASS", "FAIL", "WARN", "NO_DATA", "INCONCLUSIVE"]


class Verdict(BaseModel):
    """What became of one budget: the value that was measured, the limit, and of how many samples.

    `value` and `limit` are in seconds, bytes, shares of 1 or plain numbers; `text` says them in the budget's own unit.
    `source` says where the budget stands: "budgets", the argument; "mark", a decorator; "ini", pytest's configuration;
    "default", nowhere.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rule: str
    status: Status
    outcome: Literal["passed", "failed", "skipped"]
    text: str
    reason: str
    value: float | None
    limit: float
    samples: int
    level: Literal["error", "warn"]
    source: Literal["budgets", "mark", "ini", "default"]
