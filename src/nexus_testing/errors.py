"""Every exception of the project.

The tree::

    NexusTestingError                 ours: the harness was used, or a plugin behaved, in a way that cannot go on
    ├── PluginUnderTestError          none, or several, to be tested by this file
    ├── PluginLoadError               a stage of a load failed
    │   ├── PluginNotFound            no plugin of that name
    │   ├── ManifestError             a manifest.json that is unreadable or says something impossible
    │   ├── ConfigurationError        configuration that is missing, unreadable or not what was asked for
    │   └── PluginImportError         the plugin's code: no class, several classes, one file under two names
    ├── PluginUnloadError             a plugin failed while it was shut down
    ├── ConsistencyError              what a test says about a plugin cannot be meant so
    ├── LifecycleError                a move that a lifecycle does not have
    │   └── LifecycleAssertionError   an assertion on a life that does not hold (also an AssertionError)
    ├── AuthError                     a user, a login or a requirement that cannot be
    ├── PermissionDenied              a plugin did what its manifest does not ask permission for
    ├── LoopError                     an app used on a loop, or by a client, that is not its own
    ├── UnawaitedCall                 a coroutine of ours that nobody awaited
    ├── DrainTimeout                  events that did not come to rest in time
    ├── WebSocketError                a WebSocket conversation that did not go as the test said
    │   ├── WebSocketRejected         refused before it was accepted
    │   └── WebSocketClosed           closed while the test wanted more
    ├── DataError                     a key or a value that a database or a cache does not take
    │   ├── TransactionError          a transaction used after its end, or from outside
    │   └── QueryAssertionError       an assertion on queries that does not hold (also an AssertionError)
    ├── EventError                    wrong use of the event bus
    │   └── EventAssertionError       an assertion on events that does not hold (also an AssertionError)
    ├── ServiceError                  wrong use of the service registry
    │   └── ServiceAssertionError     an assertion on the calls of a service that does not hold (also an AssertionError)
    ├── ScheduleError                 a schedule that cannot be
    │   └── ScheduleAssertionError    an assertion on background tasks that does not hold (also an AssertionError)
    ├── TemplateError                 a template of a plugin's that is not there or cannot be rendered
    ├── ClockError                    a time that a clock cannot show or a place where it cannot run (also a ValueError)
    ├── Stalled                       a test that waits for what time does not bring
    ├── NamespaceError                something else already owns the name `nexus`
    ├── BackendError                  a framework that cannot run plugins here
    │   └── NotOnBackend              something that it does not have (also an AttributeError)
    ├── BackendUnavailable            a database or a cache that does not answer as one
    ├── ResultError                   a result file that cannot be read or written
    ├── LeakError                     a plugin left something alive
    ├── FaultError                    a fault of a test's that cannot be
    │   └── FaultAssertionError       one that never happened, or that broke what it must not (also an AssertionError)
    ├── NetworkError                  what a test says about the network cannot be meant so
    │   ├── UnmatchedCall             an outbound call that no route of nexus_http is about
    │   └── NetworkAssertionError     an assertion on outbound calls that does not hold (also an AssertionError)
    ├── PerformanceError              a load or a measurement that cannot be
    │   └── BudgetError               a budget that cannot be read, or that is about what there is not
    ├── ServeError                    a server that cannot be
    │   └── ServerEnded               a server that ended by itself, under load
    └── ExtraMissing                  an optional part that is not installed

    OutboundRefused                   something left for another machine (a BaseException: no retry catches it)

    PluginError                       the framework's own, for plugins to raise
    ├── PluginInitializationError
    ├── PluginConfigurationError
    └── PluginDependencyError

Authors of plugins may catch what stands under ``PluginError``; nothing under
``NexusTestingError`` is meant to be caught, except by a test that is about it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .telling import Told, did_you_mean

if TYPE_CHECKING:
    from typing import Unpack

    from .telling import Telling

__all__ = (
    "AuthError",
    "BackendError",
    "BackendUnavailable",
    "BudgetError",
    "ClockError",
    "ConfigurationError",
    "ConsistencyError",
    "DataError",
    "DrainTimeout",
    "EventAssertionError",
    "EventError",
    "ExtraMissing",
    "FaultAssertionError",
    "FaultError",
    "LeakError",
    "LifecycleAssertionError",
    "LifecycleError",
    "LoopError",
    "ManifestError",
    "NamespaceError",
    "NetworkAssertionError",
    "NetworkError",
    "NexusTestingError",
    "NotOnBackend",
    "OutboundRefused",
    "PerformanceError",
    "PermissionDenied",
    "PluginConfigurationError",
    "PluginDependencyError",
    "PluginError",
    "PluginImportError",
    "PluginInitializationError",
    "PluginLoadError",
    "PluginNotFound",
    "PluginUnderTestError",
    "PluginUnloadError",
    "QueryAssertionError",
    "ResultError",
    "ScheduleAssertionError",
    "ScheduleError",
    "ServeError",
    "ServerEnded",
    "ServiceAssertionError",
    "ServiceError",
    "Stalled",
    "TemplateError",
    "Told",
    "TransactionError",
    "UnawaitedCall",
    "UnmatchedCall",
    "WebSocketClosed",
    "WebSocketError",
    "WebSocketRejected",
    "did_you_mean",
)


class NexusTestingError(Told, Exception):
    """Base of what the harness raises, and an author's code may catch by accident."""


class OutboundRefused(Told):
    """Something left for another machine while an app of a test was up.

    No ``except Exception`` of a plugin or a library catches it, so that retries end at once.

    Args:
        what: What happened, as one sentence.
        host: The host that was meant.
        port: The port that was meant, if one was.
        **told: What `Told` takes besides.

    Attributes:
        carrier: The error of ours that it became the cause of.
    """

    def __init__(self, what: str, *, host: str, port: int | None = None, **told: Unpack[Telling]) -> None:
        self.host = host
        self.port = port
        self.carrier: BaseException | None = None
        super().__init__(what, **told)


class PluginUnderTestError(NexusTestingError):
    """A test file for which there is no plugin under test, or more than one."""


class PluginLoadError(NexusTestingError):
    """A stage of a load failed; the plugin's own exception, if there is one, is the cause.

    Args:
        what: What happened, as one sentence.
        stage: The stage of the lifecycle that failed.
        **told: What `Told` takes besides.
    """

    at = "Loading"

    def __init__(self, what: str, *, stage: str = "", **told: Unpack[Telling]) -> None:
        self.stage = stage or self.at
        super().__init__(what, **told)


class PluginNotFound(PluginLoadError):
    """No plugin of that name where the harness looked."""

    at = "Discovery"


class ManifestError(PluginLoadError):
    """A manifest.json that is unreadable or says something impossible.

    Attributes:
        problems: What is wrong with it, one finding each; none where it cannot be read at all.
    """

    at = "Discovery"
    problems: tuple[Any, ...] = ()


class ConfigurationError(PluginLoadError):
    """Configuration of the app, of a plugin or of the harness that cannot be used."""


class PluginImportError(PluginLoadError):
    """Plugin code without a plugin class, with several, or imported under two names."""


class PluginUnloadError(NexusTestingError):
    """A plugin raised or hung while it was shut down."""


class ConsistencyError(NexusTestingError):
    """What a test says about a plugin does not fit the plugin: both cannot be meant."""


class LifecycleError(NexusTestingError):
    """A move that a lifecycle does not have, such as a load after the shutdown."""


class LifecycleAssertionError(LifecycleError, AssertionError):
    """An assertion on a plugin's life that does not hold."""


class AuthError(NexusTestingError):
    """A user, a login or a requirement that cannot be, or a user asked for where there is no request."""


class PermissionDenied(NexusTestingError):
    """A plugin whose code did what its manifest does not ask permission for.

    Args:
        what: What happened, as one sentence.
        permission: The permission that is missing.
        **told: What `Told` takes besides.
    """

    def __init__(self, what: str, *, permission: str, **told: Unpack[Telling]) -> None:
        self.permission = permission
        super().__init__(what, **told)


class LoopError(NexusTestingError):
    """An app that is used on an event loop, or by a client, that is not its own."""


class UnawaitedCall(NexusTestingError):
    """A coroutine of ours that was made and never awaited."""


class DrainTimeout(NexusTestingError):
    """Events that did not come to rest within the limit."""


class WebSocketError(NexusTestingError):
    """A WebSocket conversation that did not go as the test said."""


class WebSocketRejected(WebSocketError):
    """A WebSocket that the app refused before it was accepted.

    Args:
        what: What happened, as one sentence.
        status: The HTTP status of the refusal.
        body: The body of the refusal.
        code: The close code, where the app closed instead of answering.
    """

    def __init__(self, what: str, *, status: int, body: bytes = b"", code: int | None = None) -> None:
        self.status = status
        self.body = body
        self.code = code
        super().__init__(what)


class WebSocketClosed(WebSocketError):
    """A WebSocket that was closed while the test wanted to receive or to send.

    Args:
        what: What happened, as one sentence.
        code: The close code.
        reason: The close reason.
    """

    def __init__(self, what: str, *, code: int, reason: str = "") -> None:
        self.code = code
        self.reason = reason
        super().__init__(what)


class DataError(NexusTestingError):
    """A key or a value that a database or a cache does not take."""


class TransactionError(DataError):
    """A transaction that is used after its end, or from outside of it."""


class QueryAssertionError(DataError, AssertionError):
    """An assertion on queries does not hold."""


class EventError(NexusTestingError):
    """Wrong use of the event bus."""


class EventAssertionError(EventError, AssertionError):
    """An assertion on events that does not hold."""


class ServiceError(NexusTestingError):
    """Wrong use of the service registry."""


class ServiceAssertionError(ServiceError, AssertionError):
    """An assertion on the calls of a service that does not hold."""


class ScheduleError(NexusTestingError):
    """A schedule that cannot be."""


class ScheduleAssertionError(ScheduleError, AssertionError):
    """An assertion on background tasks that does not hold."""


class TemplateError(NexusTestingError):
    """A template of a plugin's that is not there, or that cannot be rendered."""


class ClockError(NexusTestingError, ValueError):
    """A time that a clock cannot show, a span that is none, or a place where no virtual clock can run."""


class Stalled(NexusTestingError):
    """A test that waits for what time does not bring, or an event loop that never comes to rest."""


class NamespaceError(NexusTestingError):
    """Something else already owns a name that the harness needs."""


class BackendError(NexusTestingError):
    """A framework that cannot run plugins here: missing, another release, broken, or busy with another app."""


class NotOnBackend(BackendError, AttributeError):
    """Something that the framework which runs the plugins does not have."""


class BackendUnavailable(NexusTestingError):
    """A database or a cache that cannot be reached, refuses to serve, or stopped to.

    Args:
        what: What happened, as one sentence.
        address: Where it is, without a password.
        key: What configures it, such as `database.url`.
        **told: What `Told` takes besides.
    """

    def __init__(self, what: str, *, address: str, key: str, **told: Unpack[Telling]) -> None:
        self.address = address
        self.key = key
        super().__init__(what, **told)


class ResultError(NexusTestingError):
    """A result file that cannot be read or written."""


class LeakError(NexusTestingError):
    """A plugin that left something alive when its app, or its test, was over.

    Args:
        what: What happened, as one sentence.
        leaks: What was left, one `Leak` each.
        **told: What `Told` takes besides.
    """

    def __init__(self, what: str, *, leaks: tuple[Any, ...], **told: Unpack[Telling]) -> None:
        self.leaks = leaks
        super().__init__(what, **told)


class FaultError(NexusTestingError):
    """A fault of a test's that cannot be: there is no such operation, or it cannot go wrong in that way."""


class FaultAssertionError(FaultError, AssertionError):
    """A fault never happened, or a sweep of faults found what does not survive one."""


class NetworkError(NexusTestingError):
    """What a test says about the network cannot be meant so."""


class UnmatchedCall(NetworkError):
    """An outbound call that no route of `nexus_http` is about.

    Args:
        what: What happened, as one sentence.
        host: The host that was meant.
        port: The port that was meant, if it was named.
        **told: What `Told` takes besides.
    """

    def __init__(self, what: str, *, host: str, port: int | None = None, **told: Unpack[Telling]) -> None:
        self.host = host
        self.port = port
        self.carrier: BaseException | None = None
        super().__init__(what, **told)


class NetworkAssertionError(NetworkError, AssertionError):
    """An assertion on outbound calls that does not hold."""


class PerformanceError(NexusTestingError):
    """A load or a measurement that cannot be: no such route, nothing to send, no time to send it in."""


class BudgetError(PerformanceError):
    """A budget that cannot be read, or that is about a metric, a tag or a route that there is not."""


class ServeError(NexusTestingError):
    """A server that cannot be."""


class ServerEnded(ServeError):
    """A server that ended by itself, under load."""


class ExtraMissing(NexusTestingError):
    """An optional part of the harness that is not installed.

    Args:
        what: What needs it.
        extra: The extra of the distribution that brings it.
    """

    def __init__(self, what: str, *, extra: str) -> None:
        self.extra = extra
        super().__init__(
            f"{what} needs the extra {extra!r}, which is not installed.",
            fix=f"pip install 'nexus-testing[{extra}]'",
        )


class PluginError(Exception):
    """Base of the errors that plugins raise."""


class PluginInitializationError(PluginError):
    """A plugin that could not be initialised."""


class PluginConfigurationError(PluginError):
    """A plugin whose configuration is wrong."""


class PluginDependencyError(PluginError):
    """A plugin that misses something that it depends on."""
