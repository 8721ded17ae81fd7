"""The un-awaited half of a publication: nothing is queued before it is awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..calls import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import FrameType

__all__ = ("Publication",)


class Publication(Call[None]):
    """What `publish` returns: awaited, it publishes, without a turn of the loop.

    Args:
        publish: What publishes.
        frame: The frame of the code that asks for it.
        *arguments: What `publish` is called with.
    """

    __slots__ = ("_arguments", "_publish")

    def __init__(self, publish: Callable[..., None], frame: FrameType, *arguments: Any) -> None:
        super().__init__(None, "EventBus.publish", frame)
        self._publish = publish
        self._arguments = arguments

    def __await__(self) -> Generator[Any, Any, None]:
        self._used = True
        self._publish(*self._arguments)
        return
        yield  # pragma: no cover - makes this a generator

    def send(self, value: Any, /) -> Any:  # noqa: ARG002 - the signature of coroutines
        """Publish, and end."""
        self._used = True
        self._publish(*self._arguments)
        raise StopIteration

    def throw(self, typ: Any, val: Any = None, tb: Any = None, /) -> Any:  # noqa: ARG002 - as above
        """End without publishing."""
        self._used = True
        raise typ

    def close(self) -> None:
        """End without publishing."""
        self._used = True
