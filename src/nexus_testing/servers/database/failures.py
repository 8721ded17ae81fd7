"""What a SQL database says, or does not say, when it cannot be used."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from ...errors import BackendUnavailable
from ...locations import caller

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...locations import Location

__all__ = ("FAILURES", "Damaged", "OtherVersion", "Symptom", "cause", "unavailable")


class OtherVersion(Exception):
    """Tables of another version than ours."""


class Damaged(Exception):
    """Entries that nobody of ours wrote."""


FAILURES: tuple[type[Exception], ...] = (SQLAlchemyError, OSError, sqlite3.Error, OtherVersion, Damaged)
"""What says that a database cannot be used, whatever it was asked."""

Symptom = tuple[str, str, str]
"""What stands in a failure's class or text, what it says of the database, and what to do."""


def cause(error: BaseException) -> BaseException:
    """Return what the driver raised, where SQLAlchemy wraps it: its own text shows statements and data.

    Args:
        error: What was raised.
    """
    found: BaseException = getattr(error, "orig", None) or error
    # asyncpg's own error stands behind the one that SQLAlchemy makes of it.
    return found.__cause__ if found.__cause__ is not None and found is not error else found


def unavailable(
    error: BaseException, name: str, symptoms: Iterable[Symptom], *, where: Location | None, address: str, key: str
) -> BackendUnavailable:
    """Return the error to raise for what a driver raised.

    Args:
        error: What it raised.
        name: Which kind of database it is.
        symptoms: By what to tell failures apart; the last fits all.
        where: What to name if nobody's code is to be seen from here: the line that made the app.
        address: Where it is, without a password.
        key: What configures it.
    """
    found = cause(error)
    text = f"{type(found).__name__}: {found}"
    *_, last = symptoms = list(symptoms)
    _, how, fix = next((one for one in symptoms if one[0].lower() in text.lower()), last)
    return BackendUnavailable(
        f"The {name} at {address} {how}.",
        address=address,
        key=key,
        where=caller() or where,
        why=text,
        fix=fix,
    )
