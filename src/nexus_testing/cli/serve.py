"""``nexus-testing serve``: plugins on a real server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import namespace
from ..errors import ConfigurationError

if TYPE_CHECKING:
    import argparse

    from ..load.server import Serving
    from .commands import Commands

__all__ = ("add_serve",)

_PRINCIPALS = ("user", "admin", "service")
"""Whom a client of the server can be, by headers that are printed."""


def add_serve(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: The commands that there are.
    """
    serve = commands.add_parser("serve", help="run plugins on a real server")
    serve.add_argument("plugins", nargs="+", metavar="PLUGIN", help="a name, or the path of a folder")
    serve.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: this machine alone)")
    serve.add_argument("--port", type=int, default=8000, help="0 for a free one, printed as JSON (default: 8000)")
    serve.add_argument("--reload", action="store_true", help="load plugins anew whose files change")
    serve.add_argument("--backend", choices=("auto", "embedded", "platform"), default="auto", help="what runs plugins")
    serve.add_argument("--config", type=Path, metavar="FILE", help="the app's configuration, as JSON or YAML")
    serve.add_argument("--beats", type=Path, metavar="FILE", help="write how late the loop was, four times a second")
    serve.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    from ..load.server import serve

    namespace.install(options.backend)
    backend = "platform" if options.backend != "embedded" and namespace.platform_installed() else "embedded"
    plugins = [Path(said) if Path(said).is_dir() else said for said in options.plugins]

    def ready(serving: Serving) -> None:
        if options.port == 0:
            app = serving.app
            said = {"host": serving.host, "port": serving.port, "url": serving.url, "plugins": list(app.plugins)}
            principals = {name: app.login_principal(name) for name in _PRINCIPALS} if backend == "embedded" else {}
            print(json.dumps({**said, "principals": principals}), flush=True)
            return
        print(f"{serving.url}/docs   Ctrl-C ends it.")
        for route in serving.app.routes:
            print(f"  {route.method or '':<7} {serving.url}{route.path}")

    asyncio.run(
        serve(
            plugins,
            ready,
            host=options.host,
            port=options.port,
            config=_config(options.config),
            backend=backend,
            reload=options.reload,
            beats=options.beats,
        )
    )
    return 0


def _config(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    import yaml

    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigurationError(f"The configuration {str(file)!r} cannot be read: {error}") from error
    if not isinstance(said, dict):
        raise ConfigurationError(
            f"The configuration {str(file)!r} is no mapping.", where=file, fix="Write `database:` and what is of it."
        )
    return said
