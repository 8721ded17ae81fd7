"""What plugins import as `nexus.auth`: who makes a request, and what that user is allowed."""

from __future__ import annotations

from .requirements import require_permission, require_role
from .users import User, get_current_user, require_auth

__all__ = ("User", "get_current_user", "require_auth", "require_permission", "require_role")
