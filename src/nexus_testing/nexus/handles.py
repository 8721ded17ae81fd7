"""Undo handles: what every registration returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ..locations import Location

__all__ = ("Handle",)


class Handle:
    """Undoes a registration when called, or at the end of a ``with`` block.

    It may be awaited, since some plugins await what registers, or ignored.
    """

    __slots__ = ("_undo", "active", "kind", "name", "plugin", "where")

    def __init__(
        self, kind: str, name: str, plugin: str | None, where: Location | None, undo: Callable[[Handle], None]
    ) -> None:
        self.kind = kind
        self.name = name
        self.plugin = plugin
        self.where = where
        self.active = True
        self._undo = undo

    def __call__(self) -> None:
        """Undo the registration; the second time does nothing."""
        if self.active:
            self.active = False
            self._undo(self)

    undo = __call__

    def __await__(self) -> Generator[None, None, Handle]:
        return self
        yield  # pragma: no cover - makes this a generator

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self()

    def __repr__(self) -> str:
        state = "active" if self.active else "undone"
        return f"<{self.kind} {self.name!r} of {self.plugin or 'the test'}, {state}>"
