"""Spies: what a service was asked to do while it did it."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Self

from ..errors import ServiceAssertionError, ServiceError, did_you_mean
from ..locations import caller
from ..matching import differences
from ..records import Journal, ServiceCall, ServiceLookup
from .context import who
from .event import copied

if TYPE_CHECKING:
    from ..clock import Clock
    from .handles import Handle

__all__ = ("Spy", "stand_for")

_SHOWN = 8
_OWN = frozenset({*dir(object), "__getattr__", "__del__", "__class_getitem__"})
"""What a stand-in has of its own, or does without."""


class Spy:
    """What a test may ask of the calls of one service. Lives as long as its app, or until it is undone.

    Args:
        name: The service's name.
        journal: Where the calls are recorded.
        clock: What time stamps come from.
    """

    undo: Handle
    """Ends the recording of those who look the service up from then on."""

    def __init__(self, name: str, journal: Journal, clock: Clock) -> None:
        self.name = name
        self._journal = journal
        self._clock = clock
        self._since = journal.next_seq()
        self._service: Any = None
        self._spied: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.undo()

    @property
    def calls(self) -> list[ServiceCall]:
        """The calls since the spy was made, in the order in which they ended."""
        return [one for one in self._journal.of(ServiceCall) if one.name == self.name and one.seq > self._since]

    def assert_called(
        self, method: str, match: Mapping[str, Any] | None = None, /, *, times: int | None = None, **fields: Any
    ) -> ServiceCall:
        """Return the first call of a method that was given these arguments.

        Args:
            method: The method's name.
            match: Arguments by the names of the parameters, for those that cannot stand as keywords.
            times: How often it must have been called; at least once by default.
            **fields: Arguments by the names of the parameters, compared as the fields of events are.

        Raises:
            ServiceAssertionError: If there is none, or not that many.
            ServiceError: If the service has no such method, or *match* is no dict.
        """
        __tracebackhide__ = True
        if match is not None and not isinstance(match, Mapping):
            raise ServiceError(
                f"The calls of {self.name!r} cannot be compared with {match!r}, which is no dict.",
                where=caller(2),
                fix="Name the arguments: assert_called('fetch', grams=250).",
            )
        if not isinstance(method, str) or (self._spied is not None and not hasattr(self._service, method)):
            raise ServiceError(
                f"The service {self.name!r} has no method {method!r}.",
                where=caller(2),
                fix=did_you_mean(str(method), dir(self._service)) or "Name one that it has.",
            )
        wanted = {**(match or {}), **fields}
        found = [one for one in self.calls if one.method == method and not differences(one.arguments, wanted)]
        if found if times is None else len(found) == times:
            return found[0] if found else None  # type: ignore[return-value]  # times=0 asks for nothing
        with_ = " with " + ", ".join(f"{key}={value!r}" for key, value in wanted.items()) if wanted else ""
        said = "was not called" if times is None else f"was called {len(found)} times, not {times}"
        raise ServiceAssertionError(
            f"{self.name}.{method}(){with_} {said}.", why=self._story(method, {} if found else wanted)
        )

    def _story(self, method: str, wanted: Mapping[str, Any]) -> str:
        calls = self.calls
        lines = []
        alike = [one for one in calls if one.method == method]
        if alike and wanted:
            nearest = min(alike, key=lambda one: len(differences(one.arguments, wanted)))
            lines.append(f"the nearest was number {nearest.seq}:")
            lines += [f"  {line}" for line in differences(nearest.arguments, wanted)]
        lines.append(f"the last {min(len(calls), _SHOWN)} of {len(calls)} calls:" if calls else "there were no calls")
        for one in calls[-_SHOWN:]:
            arguments = ", ".join(f"{key}={value!r}" for key, value in one.arguments.items())
            ended = f"raised {one.error!r}" if one.error is not None else f"returned {one.result!r}"
            lines.append(f"  {one.seq:>4} {one.method}({arguments}) by {one.plugin or 'the test'} {ended}")
        early = [
            one
            for one in self._journal.of(ServiceLookup)
            if one.name == self.name and one.found and one.seq < self._since
        ]
        if early:
            lines.append(
                f"{early[0].plugin or 'the test'} looked the service up before there was a spy, as number "
                f"{early[0].seq}: spy before the plugin is loaded"
            )
        return "\n".join(lines)

    def around(self, service: Any) -> Any:
        """Return what stands for a service and records its calls; the same for the same service.

        Args:
            service: The service.
        """
        if self._spied is None or self._service is not service:
            self._service = service
            self._spied = stand_for(service, self._recorded)
        return self._spied

    def _recorded(self, method: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does what a method does, and records it."""

        @functools.wraps(function, updated=())
        def call(*args: Any, **kwargs: Any) -> Any:
            end = self._begin(method, function, args, kwargs)
            try:
                result = function(*args, **kwargs)
            except BaseException as error:
                end(None, error)
                raise
            if isinstance(result, Coroutine):
                return _ended(result, end)
            end(result, None)
            return result

        if not inspect.iscoroutinefunction(function):
            return call

        @functools.wraps(function, updated=())
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            return await call(*args, **kwargs)

        return call_async

    def _begin(
        self, method: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Callable[[Any, BaseException | None], None]:
        """Return what records a call when it has ended."""
        arguments = _arguments(function, args, kwargs)
        plugin = who()
        at = self._clock.time()
        started = time.perf_counter()

        def end(result: Any, error: BaseException | None) -> None:
            duration = time.perf_counter() - started
            journal = self._journal
            journal.append(
                ServiceCall(
                    journal.next_seq(), at, self.name, method, arguments, _kept(result), plugin, duration, error
                )
            )

        return end

    def __repr__(self) -> str:
        return f"<Spy on {self.name!r}, {len(self.calls)} calls>"


async def _ended(running: Coroutine[Any, Any, Any], end: Callable[[Any, BaseException | None], None]) -> Any:
    """Wait for a call, and record it."""
    try:
        result = await running
    except BaseException as error:
        end(None, error)
        raise
    end(result, None)
    return result


def _arguments(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call by the names of the parameters, as they were when it began."""
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        # The call itself says so, if it is wrong; what is written in C may not tell its parameters.
        return {**{str(index): _kept(value) for index, value in enumerate(args)}, **kwargs}
    bound.apply_defaults()
    given: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        if bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            given.update((key, _kept(one)) for key, one in value.items())
        else:
            given[name] = _kept(value)
    return given


def _kept(value: Any) -> Any:
    """Return a copy of plain data, which may be changed later, and anything else as it is."""
    if type(value) not in {dict, list}:
        return value
    try:
        return copied(value)
    except Exception:  # noqa: BLE001 - what cannot be copied is kept as it is
        return value


class _Spied:
    """Stands for a service: has its attributes and its class, and passes calls through."""

    __slots__ = ("_spied_recorded", "_spied_service")

    def __init__(self, service: Any, recorded: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> None:
        object.__setattr__(self, "_spied_service", service)
        object.__setattr__(self, "_spied_recorded", recorded)

    @property  # type: ignore[misc]  # isinstance() is to answer as for the service
    def __class__(self) -> type:
        return self._spied_service.__class__  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._spied_service, name)
        if name.startswith("_") or isinstance(value, type) or not callable(value):
            return value
        return self._spied_recorded(name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._spied_service, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._spied_service, name)

    def __eq__(self, other: object) -> bool:
        return bool(self._spied_service == (other._spied_service if type(self) is type(other) else other))

    def __hash__(self) -> int:
        return hash(self._spied_service)

    def __dir__(self) -> list[str]:
        return dir(self._spied_service)

    def __repr__(self) -> str:
        return repr(self._spied_service)


def stand_for(service: Any, recorded: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> Any:
    """Return what has the attributes and the class of a service, and each of whose methods is made anew.

    Args:
        service: The service.
        recorded: Makes a method, of its name and the service's own.
    """
    # Operators are looked up in the class, so what the service's class has of them this one needs too.
    cls = type(service)
    operators = {
        name: _operator(name)
        for name in dir(cls)
        if name.startswith("__") and name.endswith("__") and name not in _OWN and callable(getattr(cls, name, None))
    }
    return type("Spied", (_Spied,), {"__slots__": (), **operators})(service, recorded)


def _operator(name: str) -> Callable[..., Any]:
    def operate(self: _Spied, *args: Any, **kwargs: Any) -> Any:
        service = self._spied_service
        # A function tells its parameters; its __call__ does not.
        return self._spied_recorded(name, service if name == "__call__" else getattr(service, name))(*args, **kwargs)

    return operate
