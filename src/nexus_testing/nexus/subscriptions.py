"""Who hears of which events: the subscriptions of one bus."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..errors import EventError
from ..locations import caller, of_callable
from .context import who
from .values import key_filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .handles import Handle

__all__ = (
    "Handler",
    "Subscription",
    "Subscriptions",
    "check_name",
    "check_subscription",
    "is_pattern",
    "label_of",
)

Handler: TypeAlias = Callable[..., Any]


class Subscription(NamedTuple):
    """One handler of one name or pattern."""

    number: int
    handler: Handler
    handle: Handle
    label: str
    once: bool


class Subscriptions:
    """The subscriptions of one bus, in order. Lives as long as the bus."""

    def __init__(self) -> None:
        self._groups: dict[str, list[Subscription]] = {}
        self._patterns: dict[str, Callable[[str], bool]] = {}
        self._numbers = itertools.count()
        self.heard: dict[str, Handle] = {}
        """The first handle of every name or pattern that anybody ever subscribed to."""

    def add(self, handler: Handler, handle: Handle, *, once: bool) -> None:
        """Add one, behind all others.

        Args:
            handler: What to call.
            handle: What undoes it; its name is what is subscribed to.
            once: Whether the first event ends it.
        """
        name = handle.name
        if name not in self._groups:
            self._groups[name] = []
            if is_pattern(name):
                self._patterns[name] = key_filter(name)
            self.heard.setdefault(name, handle)
        self._groups[name].append(Subscription(next(self._numbers), handler, handle, label_of(handler), once))

    def drop(self, handle: Handle) -> None:
        """Remove the one that a handle undoes.

        Args:
            handle: The handle.
        """
        left = [one for one in self._groups.get(handle.name, ()) if one.handle is not handle]
        if left:
            self._groups[handle.name] = left
        else:
            self._groups.pop(handle.name, None)
            self._patterns.pop(handle.name, None)

    def checkpoint(self) -> Callable[[], None]:
        """Return what puts everything back that is subscribed now."""
        groups = {name: list(group) for name, group in self._groups.items()}
        patterns, heard = dict(self._patterns), dict(self.heard)

        def go_back() -> None:
            self._groups = {name: list(group) for name, group in groups.items()}
            self._patterns, self.heard = dict(patterns), dict(heard)

        return go_back

    def to(self, name: str) -> Sequence[Subscription]:
        """Return those to exactly this name or pattern, in order.

        Args:
            name: What was subscribed to.
        """
        return self._groups.get(name, ())

    def hearing(self, event_name: str) -> Sequence[Subscription]:
        """Return those that an event is for, by its name or by a pattern, in the order of subscription.

        Args:
            event_name: The event's name.
        """
        exact = self._groups.get(event_name, ())
        if not self._patterns:
            return exact
        found = list(exact)
        for pattern, fits in self._patterns.items():
            if pattern != event_name and fits(event_name):
                found += self._groups[pattern]
        if len(found) > len(exact):
            found.sort()
        return found

    def handles(self) -> list[Handle]:
        """Return the handles of all, by name, in the order of subscription."""
        return [one.handle for group in self._groups.values() for one in group]


def is_pattern(name: str) -> bool:
    """Say whether a name stands for several.

    Args:
        name: What is subscribed to.
    """
    return "*" in name or "?" in name


def label_of(handler: Handler) -> str:
    """Return what a handler is called in records and messages.

    Args:
        handler: A function, method or callable object.
    """
    target = getattr(handler, "func", handler)
    return getattr(target, "__qualname__", None) or type(handler).__qualname__


def check_name(verb: str, name: object) -> None:
    """Check what is to be subscribed to, or no more.

    Args:
        verb: The method that was called.
        name: The event's name or a pattern.

    Raises:
        EventError: If it is no string, or empty.
    """
    if isinstance(name, str) and name:
        return
    raise EventError(
        f"{verb}() was given what it cannot use: {name!r} is no name of events.",
        where=caller(3),
        fix="Pass the event's name, or a pattern such as 'order.*': subscribe('order.created', self.on_order_created).",
        plugin=who(),
    )


def check_subscription(verb: str, name: object, handler: object) -> None:
    """Check what is to be subscribed.

    Args:
        verb: The method that was called.
        name: The event's name or a pattern.
        handler: What is to be called.

    Raises:
        EventError: If the name is no string or empty, or the handler cannot be called with an event alone.
    """
    check_name(verb, name)
    if not callable(handler):
        raise EventError(
            f"{verb}() was given what it cannot use: handler {handler!r} cannot be called.",
            where=caller(3),
            fix="Pass the event's name and a function: subscribe('order.created', self.on_order_created).",
            plugin=who(),
        )
    if not _takes_event(handler):
        raise EventError(
            f"{verb}({name!r}) was given a handler that cannot take an event: {_signed(handler)}.",
            where=caller(3),
            why=f"it is called with the event alone; it was written at {of_callable(handler)}",
            fix="Let it need one argument, as `async def on_order_created(self, event)` does; others may be optional, "
            "or bound by functools.partial.",
            plugin=who(),
        )


def _takes_event(handler: Callable[..., Any]) -> bool:
    """Say whether a handler can be called with one argument; told from the code of a function, which is quick."""
    bound = isinstance(handler, MethodType)
    function = handler.__func__ if isinstance(handler, MethodType) else handler
    if type(function) is FunctionType:
        code = function.__code__
        given = 1 + bound
        needed = code.co_argcount - len(function.__defaults__ or ())
        room = code.co_argcount >= given or bool(code.co_flags & inspect.CO_VARARGS)
        return needed <= given and room and code.co_kwonlyargcount <= len(function.__kwdefaults__ or ())
    try:
        signature = inspect.signature(handler, follow_wrapped=False)
    except (TypeError, ValueError):
        # Some of what is written in C does not tell.
        return True
    try:
        signature.bind(None)
    except TypeError:
        return False
    return True


def _signed(handler: Callable[..., Any]) -> str:
    try:
        return f"{label_of(handler)}{inspect.signature(handler, follow_wrapped=False)}"
    except (TypeError, ValueError):
        return f"{label_of(handler)}(…)"
