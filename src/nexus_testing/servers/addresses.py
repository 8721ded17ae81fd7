"""Addresses of servers, as messages may show them."""

from __future__ import annotations

from urllib.parse import urlsplit

__all__ = ("shown",)


def shown(url: str) -> str:
    """Return a URL without its password.

    Args:
        url: The URL.
    """
    parts = urlsplit(url)
    if parts.password is not None:
        before, _, host = parts.netloc.rpartition("@")
        parts = parts._replace(netloc=f"{before.partition(':')[0]}:***@{host}")
    # Some drivers take it as an option.
    options = [
        "password=***" if option.lower().startswith("password=") else option for option in parts.query.split("&")
    ]
    return parts._replace(query="&".join(options)).geturl()
