"""Print the pytest plugins that are installed, in the order in which pytest loads them."""

from __future__ import annotations

import importlib.metadata
import json


def main() -> None:
    """Look and print."""
    names = [
        point.name
        for distribution in importlib.metadata.distributions()
        for point in distribution.entry_points
        if point.group == "pytest11"
    ]
    print(json.dumps({"names": names, "distributions": len(list(importlib.metadata.distributions()))}))


if __name__ == "__main__":
    main()
