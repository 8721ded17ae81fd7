"""Calls by httpx2, which respx does not see, answered by the same routes."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import httpx
from respx.models import PassThrough

if TYPE_CHECKING:
    from collections.abc import Callable

    import respx

__all__ = ("serve_httpx2",)


def serve_httpx2(router: respx.MockRouter) -> Callable[[], None]:
    """Let a router answer what is called by httpx2, if that is installed.

    Args:
        router: The router.

    Returns:
        What undoes it.
    """
    if importlib.util.find_spec("httpx2") is None:
        return lambda: None
    import httpx2

    sync, asynchronous = httpx2.HTTPTransport.handle_request, httpx2.AsyncHTTPTransport.handle_async_request

    def handle_request(transport: Any, request: Any) -> Any:
        __tracebackhide__ = True
        request.read()
        try:
            response = router.handler(_translated(request))
            response.read()
        except PassThrough:
            return sync(transport, request)
        except httpx.TransportError as error:
            raise _translated_error(httpx2, error, request) from error
        return httpx2.Response(response.status_code, headers=response.headers.raw, content=response.content)

    async def handle_async_request(transport: Any, request: Any) -> Any:
        __tracebackhide__ = True
        await request.aread()
        try:
            response = await router.async_handler(_translated(request))
            await response.aread()
        except PassThrough:
            return await asynchronous(transport, request)
        except httpx.TransportError as error:
            raise _translated_error(httpx2, error, request) from error
        return httpx2.Response(response.status_code, headers=response.headers.raw, content=response.content)

    def undo() -> None:
        setattr(httpx2.HTTPTransport, "handle_request", sync)  # noqa: B010 - mypy takes a method for no variable
        setattr(httpx2.AsyncHTTPTransport, "handle_async_request", asynchronous)  # noqa: B010 - as above

    setattr(httpx2.HTTPTransport, "handle_request", handle_request)  # noqa: B010 - as above
    setattr(httpx2.AsyncHTTPTransport, "handle_async_request", handle_async_request)  # noqa: B010 - as above
    return undo


def _translated(request: Any) -> httpx.Request:
    return httpx.Request(request.method, str(request.url), headers=request.headers.raw, content=request.content)


def _translated_error(httpx2: Any, error: httpx.TransportError, request: Any) -> Exception:
    kind = getattr(httpx2, type(error).__name__, httpx2.TransportError)
    made: Exception = kind(str(error), request=request)
    return made
