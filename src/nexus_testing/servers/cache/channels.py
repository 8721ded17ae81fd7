"""Channels of a real Redis, which all its databases share: each app's have a prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Channels",)

_ONE = frozenset({"PUBLISH", "SPUBLISH"})
_ALL = frozenset({"SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "SSUBSCRIBE", "SUNSUBSCRIBE"})
_HEARD = dict.fromkeys(("message", "smessage", *(one.lower() for one in _ALL)), 1) | {"pmessage": 2}
"""How many channels and patterns follow the kind of what is heard."""
_KEYS = (b"__keyspace@%d__", b"__keyevent@%d__")


class Channels:
    """Names of channels, as an app says them and as they are on the server.

    Args:
        number: The number of the app's database.
    """

    def __init__(self, number: int) -> None:
        self._prefix = b"nexus:%d:" % number
        # What the server says of keys is by database already; the app knows its own as 0.
        self._own = {one % 0: one % number for one in _KEYS}

    def words(self, name: str, words: Sequence[Any]) -> Sequence[Any]:
        """Return a command as it is sent.

        Args:
            name: The command's name in capitals.
            words: The command and its arguments.
        """
        if name in _ONE and len(words) > 1:
            return (words[0], self._there(words[1]), *words[2:])
        if name in _ALL:
            return (words[0], *map(self._there, words[1:]))
        return words

    def _there(self, name: Any) -> bytes:
        said = name if isinstance(name, bytes) else str(name).encode()
        for here, there in self._own.items():
            if said.startswith(here):
                return there + said.removeprefix(here)
        return self._prefix + said

    def heard(self, answer: Any) -> Any:
        """Return what a client hears, with the names as the app says them.

        Args:
            answer: The server's answer.
        """
        if not isinstance(answer, list) or not answer:
            return answer
        kind = answer[0].decode() if isinstance(answer[0], bytes) else answer[0]
        for place in range(1, _HEARD.get(kind, 0) + 1):
            answer[place] = self._here(answer[place])
        return answer

    def _here(self, name: Any) -> Any:
        there = name.encode() if isinstance(name, str) else name
        if there is None:
            return None
        for own, real in self._own.items():
            if there.startswith(real):
                there = own + there.removeprefix(real)
        there = there.removeprefix(self._prefix)
        return there.decode() if isinstance(name, str) else there
