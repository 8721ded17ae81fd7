"""What a plugin written for the guide's framework runs into on the published one, and what to write instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...findings import find
from ...locations import of_exception

if TYPE_CHECKING:
    from ...findings import Finding

__all__ = ("explain", "explain_import")

_HAS = {
    "nexus.plugins.categories": "its classes are in nexus.plugins: from nexus.plugins import BusinessPlugin",
    "nexus.plugins.PluginInfo": "it is in nexus.core: from nexus.core import PluginInfo",
    "nexus.core.get_db": "there is no such dependency: use self.db_adapter in the routes",
    "nexus.auth.require_auth": "the nearest is nexus.auth.require_authentication",
    "nexus.auth.require_role": "the nearest is nexus.auth.require_admin",
    "nexus.tasks": "there are no background tasks: start an asyncio task in initialize(), cancel it in shutdown()",
    "nexus.cache": "there is no cache, and cache_manager is None",
    "get_service": "it is get(name), without await",
    "register_service": "it is register(name, service), without await",
    "db": "it is self.db_adapter",
    "task_manager": "there are no background tasks",
    "transaction": "it is nexus.core.TransactionContext(self.db_adapter), made by hand",
    "collection": "the database holds keys and values only: get, set, delete, exists, list_keys, clear",
    "update": "write the whole value: set(key, value)",
    "find": "the database holds keys and values only: list_keys(pattern), get(key)",
    "once": "subscribe(name, handler), and unsubscribe in the handler",
    "publish_now": "await publish(name, data)",
    "info": "set self.name, self.version and self.category",
}

_MODULE = re.compile(r"No module named '(nexus[\w.]*)'")
_NAME = re.compile(r"cannot import name '(\w+)' from '(nexus[\w.]*)'")
_ATTRIBUTE = re.compile(r"has no attribute '(\w+)'")
_ABSTRACT = re.compile(r"Can't instantiate abstract class (\w+) (?:with|without)")


def explain(error: BaseException | None) -> str:
    """Return in one sentence what of the guide's framework an error is about; nothing if it is about none of it.

    Args:
        error: What a plugin's code raised.
    """
    text = str(error)
    if isinstance(error, ImportError):
        found = _MODULE.search(text)
        if found is not None:
            return _lacks(found[1])
        if "relative import beyond top-level package" in text:
            return "under test a plugin is imported by its own name; name another one in full: plugins.business.other"
        found = _NAME.search(text)
        return _lacks(f"{found[2]}.{found[1]}") if found is not None else ""
    if isinstance(error, AttributeError):
        found = _ATTRIBUTE.search(text)
        return f"nexus-platform has no {found[1]!r} there; {_HAS[found[1]]}" if found and found[1] in _HAS else ""
    if isinstance(error, TypeError):
        return _explain_type(text)
    return ""


def explain_import(error: BaseException) -> Finding | None:
    """Return a finding of a test file that cannot be imported, if that is for something of the guide's framework.

    Args:
        error: What was raised, or something that it caused.
    """
    cause: BaseException | None = error
    while cause is not None:
        text = explain(cause)
        if text:
            return find("NX801", f"{text}.", where=of_exception(cause))
        cause = cause.__cause__
    return None


def _explain_type(text: str) -> str:
    if "method resolution order" in text.lower() or "MRO" in text:
        return "nexus-platform's categories derive from BasePlugin: name the category alone, class X(BusinessPlugin)"
    if "can't be used in 'await' expression" in text:
        return (
            "nexus-platform's subscribe(), get() and register() are plain functions, whose result cannot be awaited; "
            "leave the await out"
        )
    found = _ABSTRACT.search(text)
    if found is not None:
        return (
            f"nexus-platform's BasePlugin is abstract: {found[1]} must have initialize(), shutdown(), "
            "get_api_routes() and get_database_schema()"
        )
    if "publish_event() missing" in text:
        return "nexus-platform's publish_event takes a name and a dict: publish_event('order.created', {…})"
    if "'Event' object is not subscriptable" in text:
        return "nexus-platform's handlers get an Event, whose dict is event.data"
    return ""


def _lacks(name: str) -> str:
    known = next((said for key, said in _HAS.items() if name == key or name.startswith(f"{key}.")), "")
    return f"nexus-platform has no {name}" + (f"; {known}" if known else "")
