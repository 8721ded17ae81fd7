"""Import the entry module after pytest, then register it; print how long each took and what it pulled in."""

from __future__ import annotations

import json
import sys
import time

import pytest

HEAVY = {
    "fakeredis",
    "fastapi",
    "httpx",
    "jsonschema",
    "locust",
    "mongomock",
    "mongomock_motor",
    "pydantic",
    "redis",
    "respx",
    "starlette",
    "yaml",
}


def heavy() -> list[str]:
    """Return the heavy packages that are loaded."""
    return sorted(HEAVY.intersection(name.partition(".")[0] for name in sys.modules))


def main() -> None:
    """Measure and print."""
    manager = pytest.PytestPluginManager()
    # Making it calls pytest_addoption for every plugin that is registered from now on.
    pytest.Config(manager)
    before = set(sys.modules)
    started = time.perf_counter()
    import nexus_testing.entry

    imported = time.perf_counter()
    after_import, heavy_import = set(sys.modules), heavy()
    resumed = time.perf_counter()
    manager.register(nexus_testing.entry, "nexus_testing")
    registered = time.perf_counter()
    if not manager.hasplugin("nexus_testing.hooks"):
        msg = "registering the entry module did not register the hooks"
        raise RuntimeError(msg)
    print(
        json.dumps(
            {
                "import_ms": (imported - started) * 1000,
                "register_ms": (registered - resumed) * 1000,
                "import_modules": sorted(after_import - before),
                "register_modules": sorted(set(sys.modules) - after_import),
                "import_heavy": heavy_import,
                "register_heavy": heavy(),
            }
        )
    )


if __name__ == "__main__":
    main()
