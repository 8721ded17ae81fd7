"""Where a plugin stands in its life, and which moves there are from there."""

from __future__ import annotations

import enum

from ..errors import LifecycleError

__all__ = ("MOVES", "State", "refuse_move")


class State(enum.Enum):
    """Where a plugin stands in its life."""

    NEW = "new"
    PREPARED = "prepared"
    INITIALIZED = "initialized"
    ACTIVE = "active"
    DISABLED = "disabled"
    UNLOADED = "unloaded"
    FAILED = "failed"


MOVES: dict[str, frozenset[State]] = {
    "load": frozenset({State.NEW}),
    "enable": frozenset({State.DISABLED}),
    "disable": frozenset({State.ACTIVE}),
    "reload": frozenset({State.ACTIVE}),
    "unload": frozenset({State.INITIALIZED, State.ACTIVE, State.DISABLED}),
}
"""The states in which a plugin can make a move. In any other the move is refused, and nothing changes."""

_FIXES = {
    State.ACTIVE: "Nothing has to be done: its routes and tasks are there.",
    State.DISABLED: "Enable it first: await app.enable_plugin({name!r}).",
    State.INITIALIZED: "Let the fixture `plugin` yield it; it is active from then on.",
}


def refuse_move(move: str, name: str, state: State) -> None:
    """Refuse a move that a plugin cannot make.

    Args:
        move: What is to be done to it.
        name: The plugin's name.
        state: Where it stands.

    Raises:
        LifecycleError: If there is no such move from there.
    """
    __tracebackhide__ = True
    if state in MOVES[move]:
        return
    fix = f"Load it first: await app.load_plugin({name!r})."
    if move == "disable" and state is State.DISABLED:
        fix = "Nothing has to be done: its routes and tasks are off."
    elif state in _FIXES:
        fix = _FIXES[state].format(name=name)
    raise LifecycleError(
        f"Plugin {name!r} cannot {move}: it is {state.value}.",
        why=f"that takes a plugin that is {' or '.join(sorted(one.value for one in MOVES[move]))}",
        fix=fix,
        plugin=name,
    )
