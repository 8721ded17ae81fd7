"""Where plugins in memory are meant to be treated otherwise than on nexus-platform: one row each, and why."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ("DIFFERENCES", "Difference", "table")


class Difference(NamedTuple):
    """One thing that the two frameworks do in two ways, on purpose.

    Its id is what tests, reports and pages call it by; `finding` is the id of what tells an author of it.
    """

    id: str
    production: str
    here: str
    why: str
    finding: str


_GUIDE = "The plugin guide says so."
_SAFE = "The other way loses something without a word."
_DEFECT = "The other way is a defect of that release."

DIFFERENCES: dict[str, Difference] = {
    row.id: row
    for row in (
        # The class and its name
        Difference(
            "class-picked",
            "The first name of the module that ends in `Plugin` is the plugin, an imported base class too.",
            "The class that the module itself defines is the plugin.",
            _DEFECT,
            "NX802",
        ),
        Difference(
            "abstract-base",
            "A class that lacks one of four methods of `BasePlugin` cannot be made.",
            "Each of them has a default: initialised, nothing to shut down, no routes, no schema.",
            _GUIDE,
            "NX105",
        ),
        Difference(
            "order-of-bases",
            "`class X(BasePlugin, BusinessPlugin)` is a TypeError.",
            "It is a plugin of that category.",
            _GUIDE,
            "NX102",
        ),
        Difference(
            "names-of-modules",
            "`nexus.plugins.categories`, `nexus.tasks`, `nexus.cache`, `nexus.core.get_db` and others are not there.",
            "They are there.",
            _GUIDE,
            "NX801",
        ),
        Difference(
            "own-name",
            "A plugin that gives itself no name has the name ''.",
            "It has its manifest's, else its class's.",
            "Two plugins without a name would share keys and events' sources.",
            "NX103",
        ),
        Difference(
            "logger-name",
            "`self.logger` is called `nexus.plugins..`, whatever name the plugin has.",
            "It is called by the plugin's name.",
            "A log that does not say whose line it is helps nobody.",
            "",
        ),
        # Its life
        Difference(
            "initialize-none",
            "`initialize()` that returns None has failed.",
            "It has succeeded.",
            "The guide's own plugins leave the return out.",
            "NX101",
        ),
        Difference(
            "failed-load-leftovers",
            "Subscriptions and services of a plugin whose load failed stay.",
            "They are taken back.",
            _SAFE,
            "NX106",
        ),
        Difference(
            "unload-leftovers",
            "Subscriptions, services and routes of a plugin that was unloaded stay, and answer.",
            "They are removed.",
            _GUIDE,
            "NX106",
        ),
        Difference(
            "order-of-shutdown",
            "Plugins are shut down in the order in which they were loaded.",
            "The last one loaded comes first.",
            "A plugin may use in its shutdown what it depends on.",
            "",
        ),
        Difference(
            "failing-shutdown",
            "A plugin whose `shutdown()` raises stays loaded.",
            "It is unloaded, and the exception is raised.",
            _SAFE,
            "",
        ),
        Difference(
            "hooks",
            "`on_discover` to `on_unload` and `on_error` are never called.",
            "Each is called at its stage.",
            _GUIDE,
            "",
        ),
        Difference(
            "news-of-plugins",
            "`plugin.discovered` and `plugin.error` are never published.",
            "They are.",
            _GUIDE,
            "",
        ),
        Difference(
            "requirements",
            "What the manifest depends on is not looked at, and no plugin is loaded for another.",
            "Python, framework, packages and plugins are checked, and plugins are loaded first.",
            _GUIDE,
            "",
        ),
        Difference(
            "late-load",
            "Routes are mounted at the start: those of a plugin that is loaded later answer 404.",
            "They are mounted when the plugin is loaded.",
            "The guide's tests load plugins into an app that runs.",
            "NX806",
        ),
        Difference(
            "database-at-load",
            "As shipped, the database is not connected while a plugin that has routes is initialised.",
            "It is.",
            _GUIDE,
            "NX804",
        ),
        Difference(
            "reload",
            "A second load reads `plugin.py` anew and no other module; old routes and subscriptions stay.",
            "`reload_plugin` reads all modules of the plugin anew and takes away what the old ones registered.",
            _DEFECT,
            "",
        ),
        # The manifest
        Difference(
            "manifest-forms",
            "`author` and `repository` are text and `dependencies` holds lists; any other manifest is rejected.",
            "The guide's forms are taken too.",
            _GUIDE,
            "NX805",
        ),
        Difference(
            "permissions",
            "Permissions are stored and never enforced.",
            "What the manifest does not name is refused.",
            _GUIDE,
            "",
        ),
        Difference(
            "rate-limit",
            "`api.rate_limit` is ignored.",
            "A request over it is answered with 429 and Retry-After.",
            _GUIDE,
            "",
        ),
        Difference(
            "configuration",
            "`self.config` is empty.",
            "It is the schema's defaults under what the test gives.",
            _GUIDE,
            "",
        ),
        # Routes
        Difference(
            "address",
            "Routes are at `/api/plugins/{category}.{name}`.",
            "They are at the manifest's `api.prefix`, else at `/api/{name}`.",
            _GUIDE,
            "",
        ),
        Difference(
            "prefix",
            "A router's own prefix is put before its routes twice.",
            "It is there once.",
            _DEFECT,
            "",
        ),
        Difference(
            "shadowed-by-core",
            "A `POST /enable` or `/disable` of a plugin never answers: the framework's own comes first.",
            "It answers.",
            "There are no such routes of the framework's in memory.",
            "",
        ),
        Difference(
            "headers-of-errors",
            "Headers of an `HTTPException` are dropped.",
            "They are sent.",
            _DEFECT,
            "",
        ),
        Difference(
            "routes-that-raise",
            "`get_api_routes()` that raises or returns no list ends the start of the whole app.",
            "It fails the load of its plugin; others go on.",
            _SAFE,
            "",
        ),
        Difference(
            "current-user",
            "`get_current_user` takes any query parameter `token` for a demonstration user, and answers 401 without.",
            "It is the user whom the test logged in, else an anonymous one.",
            _GUIDE,
            "",
        ),
        Difference(
            "required-permission",
            "A route under `@require_permission` or `@require_role` answers 401 to everybody.",
            "It answers who has the permission or role.",
            _DEFECT,
            "",
        ),
        Difference(
            "auth-manager",
            "`require_authentication` and those like it answer a bearer token with 500.",
            "There is no such dependency: `require_auth` is the guide's.",
            _GUIDE,
            "NX801",
        ),
        # Events
        Difference(
            "priority",
            "An event's priority is ignored.",
            "Events of a higher one are delivered first.",
            _GUIDE,
            "",
        ),
        Difference(
            "event-as-dict",
            'A handler gets an `Event`, and `event["id"]` is a TypeError.',
            "It is the value in the event's data.",
            _GUIDE,
            "",
        ),
        Difference(
            "shared-event",
            "All handlers get one object: what one changes in it, the next one sees.",
            "Each gets a copy of the data.",
            _SAFE,
            "",
        ),
        Difference(
            "undo-handles",
            "`subscribe` and `register` return None, and awaiting it is a TypeError.",
            "They return a handle, which undoes and can be awaited.",
            _GUIDE,
            "NX801",
        ),
        Difference(
            "coroutine-of-a-function",
            "A coroutine that a handler written without `async` returns is never awaited.",
            "It is awaited.",
            _SAFE,
            "NX803",
        ),
        Difference(
            "cancelled-handler",
            "A `CancelledError` out of a handler ends the delivery of all events.",
            "It is that handler's error, and the next one is called.",
            _SAFE,
            "",
        ),
        Difference(
            "unsubscribe-in-dispatch",
            "A handler that unsubscribes itself has the next one skipped.",
            "Nobody is skipped.",
            _DEFECT,
            "",
        ),
        Difference(
            "events-at-the-end",
            "Events that are queued when the app stops are lost.",
            "They are delivered before the plugin that listens is shut down.",
            _SAFE,
            "",
        ),
        Difference(
            "patterns",
            "`order.*` is a name like any other.",
            "It is a pattern.",
            "Plugins that listen to all of a kind are tested so.",
            "NX502",
        ),
        Difference(
            "event-objects",
            "`publish_event` takes a name and a dict.",
            "It also takes an object that says its name.",
            _GUIDE,
            "",
        ),
        # Services
        Difference(
            "services-of-the-guide",
            "`get_service` and `register_service` are not there.",
            "They are, and can be awaited.",
            _GUIDE,
            "NX801",
        ),
        # Data
        Difference(
            "value-types",
            "SQLite keeps text: True, None, '123' and dates come back as something else.",
            "A value comes back as it was, or is refused.",
            _SAFE,
            "",
        ),
        Difference(
            "value-aliases",
            "In memory a value is the very object that was given.",
            "It is a copy, both ways.",
            "A server never gives an object back.",
            "",
        ),
        Difference(
            "key-patterns",
            "SQLite's patterns ignore case and take `_` for any character.",
            "A pattern is that of `fnmatch`, and case counts.",
            "A test must not depend on which database is behind.",
            "",
        ),
        Difference(
            "data-defaults",
            "`get_data(key, default)` returns None for what is not there.",
            "It returns the default.",
            _DEFECT,
            "",
        ),
        Difference(
            "stored-configuration",
            "What `set_config` writes, `get_config` does not find.",
            "It finds it.",
            _DEFECT,
            "",
        ),
        Difference(
            "lost-updates",
            "Of two first writes to one key at once, one is an IntegrityError.",
            "The last one counts.",
            _DEFECT,
            "",
        ),
        Difference(
            "writes-after-commit",
            "What is written to a transaction after its commit is dropped without a word.",
            "It is a TransactionError.",
            _SAFE,
            "",
        ),
        Difference(
            "transactions",
            "A transaction is made by hand over keys, and one that fails midway has written half.",
            "`db.transaction()` is whole or nothing.",
            _GUIDE,
            "NX801",
        ),
        Difference(
            "schemas",
            "`get_database_schema()` is never called: no unique index, no initial data.",
            "Both are applied before the plugin is initialised.",
            _GUIDE,
            "",
        ),
        Difference(
            "health",
            "A plugin's health is what its attribute `initialized` says, which nobody sets.",
            "A plugin that is active is healthy.",
            _DEFECT,
            "",
        ),
    )
}
"""Every row, by its id."""


def table() -> str:
    """Return all rows as a table in Markdown, as `docs/reference/production.md` has it."""
    head = "| id | on nexus-platform | in memory | why | told by |\n|---|---|---|---|---|\n"
    return head + "".join(
        f"| `{row.id}` | {row.production} | {row.here} | {row.why} | {row.finding} |\n" for row in DIFFERENCES.values()
    )
