"""One fault: which calls it is about, how often it happens, and what it does."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple, Self

from .operations import fits

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..errors import FaultAssertionError
    from ..locations import Location
    from .actions import Action
    from .gate import PortCall

__all__ = ("Aim", "Fault")


class Aim(NamedTuple):
    """Which calls a fault is about, and how often it happens to them.

    `times` is None for every time, `after` the number of calls that it lets pass first. `everybody` says whether it
    happens to what the test itself asks, too.
    """

    operations: tuple[str, ...]
    key: str = "*"
    plugin: str | None = None
    times: int | None = 1
    after: int = 0
    probability: float | None = None
    seed: int | None = None
    everybody: bool = False


class Fault:
    """One fault. It is over when it is called, when the `with` block that it was entered by ends, or with its test.

    Args:
        aim: Which calls it is about.
        action: What happens to them.
        said: The call that made it, for messages.
        where: The line of that.
        required: Whether it is an error if it never happens.
        end: Takes it out.
        unhit: Makes the error that says that it never happened.
    """

    def __init__(
        self,
        aim: Aim,
        action: Action,
        *,
        said: str,
        where: Location | None,
        required: bool,
        end: Callable[[Fault], None],
        unhit: Callable[[Fault], FaultAssertionError],
    ) -> None:
        self.aim = aim
        self.action = action
        self.said = said
        self.where = where
        self.required = required and aim.probability is None
        self.hits = 0
        """How often it happened."""
        self._seen = 0
        self._random = random.Random(aim.seed) if aim.probability is not None else None  # noqa: S311 - no secret
        self._end = end
        self._unhit = unhit
        self._over = False

    def about(self, call: PortCall) -> bool:
        """Say whether it is about a call.

        Args:
            call: The call.
        """
        aim = self.aim
        return (
            (call.plugin is not None or aim.everybody)
            and (aim.plugin is None or aim.plugin == call.plugin)
            and any(fits(call.operation, one) for one in aim.operations)
            and fits(call.key, aim.key)
        )

    def takes(self, call: PortCall) -> bool:
        """Say whether it happens to a call, which it is asked once for each.

        Args:
            call: The call.
        """
        aim = self.aim
        if self._over or (aim.times is not None and self.hits >= aim.times) or not self.about(call):
            return False
        self._seen += 1
        if self._seen <= aim.after:
            return False
        return self._random is None or self._random.random() < (aim.probability or 0)

    def __call__(self) -> None:
        """End it; the second time does nothing."""
        if not self._over:
            self._over = True
            self._end(self)

    undo = __call__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        self()
        if error is None and self.required and not self.hits:
            self.required = False
            raise self._unhit(self)

    def __repr__(self) -> str:
        return f"<{self.said}, {self.hits} times{', over' if self._over else ''}>"
