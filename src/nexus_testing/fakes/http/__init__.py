"""What a plugin's outbound HTTP meets: routes that a test writes, for httpx and httpx2 alike."""

from __future__ import annotations

from .outbound import OutboundHttp

__all__ = ("OutboundHttp",)
