"""What a manifest may say: one model of all its sections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

__all__ = (
    "Api",
    "Author",
    "Compatibility",
    "Configuration",
    "Dependencies",
    "Features",
    "HealthCheck",
    "Manifest",
    "Menu",
    "RateLimit",
    "Repository",
    "Section",
    "Ui",
    "Widget",
)

_RANGE = re.compile(r"\s*[<>=!~]")
_PATH = r"^/[^\s?#]*$"


class Section(BaseModel):
    """A section of a manifest. It keeps keys that it does not know, for whoever reports them."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


def _shape(value: object) -> str | None:
    """Tell the two shapes of a key apart, for messages about the one that is meant."""
    if isinstance(value, Mapping | BaseModel):
        return "object"
    return "string" if isinstance(value, str) else None


_TwoShapes = Discriminator(
    _shape, custom_error_type="two_shapes", custom_error_message="Input should be a string or an object"
)


class Author(Section):
    """Who wrote the plugin, in the longer form."""

    name: str = Field(min_length=1, description="the author's name")
    email: str = Field(default="", description="the author's address, with an '@'")
    url: str = Field(default="", description="the author's page, such as https://example.com")


class Repository(Section):
    """Where the plugin's source is, in the longer form."""

    type: str = Field(default="git", description='what kind of repository it is, such as "git"')
    url: str = Field(min_length=1, description="where it is, such as https://example.com/me/plugin.git")


class Dependencies(Section):
    """What has to be there before the plugin is loaded."""

    nexus: str = Field(default="", description='versions of the framework, such as ">=1.0.0"')
    python: str = Field(default="", description='versions of Python, such as ">=3.11"')
    packages: list[str] = Field(default=[], description='Python packages, such as ["httpx>=0.24.0"]')
    plugins: list[str] = Field(default=[], description='other plugins, such as ["auth_plugin>=1.0.0"]')
    system: list[str] = Field(default=[], description='programs, such as ["redis-server>=6.0"]')

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Say that a list of plugins will do, and that a range may be a list, as the published framework has it."""
        own: dict[str, Any] = handler(core_schema)
        strings = {"type": "array", "items": {"type": "string"}}
        for key in ("nexus", "python"):
            said = dict(own["properties"][key])
            own["properties"][key] = {"anyOf": [{"type": said.pop("type")}, strings], **said}
        return {"anyOf": [own, strings]}


def _in_one_form(value: object) -> object:
    """Bring the published forms of `dependencies` into the guide's: a list of plugins; lists in place of ranges."""
    if isinstance(value, list):
        return {"plugins": value}
    if not isinstance(value, dict):
        return value
    result = dict(value)
    for key in ("nexus", "python"):
        said = result.get(key)
        if not isinstance(said, list) or not all(isinstance(one, str) for one in said):
            continue
        result[key] = ",".join(one for one in said if _RANGE.match(one))
        named = [one for one in said if not _RANGE.match(one)]
        packages = result.get("packages", [])
        if named and isinstance(packages, list):
            result["packages"] = [*packages, *named]
    return result


class Configuration(Section):
    """Where the plugin's configuration comes from, and what of it must be there."""

    schema_file: str | None = Field(
        default=None, alias="schema", min_length=1, description='a JSON Schema, such as "config/schema.json"'
    )
    defaults: str | None = Field(
        default=None, min_length=1, description='a file of defaults, such as "config/default.yaml"'
    )
    required: list[str] = Field(default=[], description="the keys that have to be there")
    optional: list[str] = Field(default=[], description="the keys that may be there")


class RateLimit(Section):
    """How many requests a client may send."""

    requests: int = Field(gt=0, description="how many requests a client may send in a period")
    period: float = Field(gt=0, allow_inf_nan=False, description="the length of a period, in seconds")


class Api(Section):
    """Where the plugin's routes are mounted."""

    prefix: str | None = Field(
        default=None, pattern=_PATH, description="where routes are mounted; it starts with '/', such as \"/api/shop\""
    )
    version: str | None = Field(default=None, description='a label, such as "v1"; it is no part of any path')
    rate_limit: RateLimit | None = Field(default=None, description="how many requests a client may send, and how fast")


class Menu(Section):
    """The plugin's place in the menu."""

    title: str = Field(min_length=1, description="what the menu shows")
    icon: str | None = Field(default=None, description='the name of an icon, such as "fas fa-rocket"')
    position: int = Field(default=0, ge=0, description="its place among its neighbours, from 0")
    parent: str | None = Field(default=None, description="the entry that it stands below, or null")


class Widget(Section):
    """One widget of the dashboard."""

    id: str = Field(min_length=1, description="the widget's id, unique in its plugin")
    title: str = Field(min_length=1, description="what stands above it")
    size: str = Field(default="medium", min_length=1, description='how large it is, such as "medium"')
    position: int = Field(default=0, ge=0, description="its place among its neighbours, from 0")


class Ui(Section):
    """What the plugin shows."""

    enabled: bool = Field(default=False, description="whether there is anything to show")
    menu: Menu | None = Field(default=None, description="its place in the menu")
    dashboard_widgets: list[Widget] = Field(default=[], description="its widgets on the dashboard")

    def shown(self) -> dict[str, Any]:
        """Return the menu and the widgets, these in the order of their positions; nothing if it is not enabled."""
        if not self.enabled or not (self.menu or self.dashboard_widgets):
            return {}
        widgets = sorted(self.dashboard_widgets, key=lambda widget: widget.position)
        return {
            "menu": self.menu.model_dump() if self.menu is not None else None,
            "widgets": [widget.model_dump() for widget in widgets],
        }


class Features(Section):
    """What the plugin makes use of; what is not said is allowed."""

    hot_reload: bool | None = Field(default=None, description="whether it may be reloaded")
    background_tasks: bool | None = Field(default=None, description="whether it has background tasks")
    websocket: bool | None = Field(default=None, description="whether it has WebSocket routes")
    graphql: bool | None = Field(default=None, description="whether it has a GraphQL route")


class Compatibility(Section):
    """Where the plugin runs."""

    min_nexus_version: str | None = Field(default=None, description="the oldest version of the framework, inclusive")
    max_nexus_version: str | None = Field(default=None, description="the newest version of the framework, inclusive")
    platforms: list[str] = Field(default=[], description='values of sys.platform, such as ["linux"]; empty for any')


class HealthCheck(Section):
    """How the plugin is asked how it is."""

    @property
    def is_said(self) -> bool:
        """Whether the manifest says where, rather than leaving it at the default."""
        return "endpoint" in self.model_fields_set

    endpoint: str = Field(default="/health", pattern=_PATH, description="the path below the prefix; starts with '/'")
    interval: float = Field(default=30, gt=0, allow_inf_nan=False, description="seconds between two checks")
    timeout: float = Field(default=5, gt=0, allow_inf_nan=False, description="seconds that one check may take")


_Author: TypeAlias = Annotated[Annotated[Author, Tag("object")] | Annotated[str, Tag("string")], _TwoShapes]
_Repository: TypeAlias = Annotated[Annotated[Repository, Tag("object")] | Annotated[str, Tag("string")], _TwoShapes]


class Manifest(Section):
    """A plugin's manifest."""

    name: str = Field(
        pattern=r"^[^\W\d][\w-]*$",
        max_length=100,
        description="the plugin's name: letters, digits, '_' and '-', starting with a letter",
    )
    version: str = Field(min_length=1, description='the plugin\'s version, such as "1.0.0"')
    display_name: str = Field(default="", description="the name that people see")
    category: str = Field(default="", description='what kind of plugin it is, such as "business"')
    description: str = Field(default="", description="what it does")
    author: _Author = Field(default="", description="who wrote it: a name, or an object with name, email and url")
    license: str | None = Field(default=None, description='its license, such as "MIT"')
    homepage: str | None = Field(default=None, description="its page, such as https://example.com")
    repository: _Repository | None = Field(
        default=None, description="where its source is: an address, or an object with type and url"
    )
    documentation: str | None = Field(default=None, description="its documentation, such as https://example.com")
    keywords: list[str] = Field(default=[], description="words to find it by")
    tags: list[str] = Field(default=[], description="words to find it by, as the published framework calls them")
    icon: str | None = Field(default=None, min_length=1, description="a picture of the plugin's folder")
    screenshots: list[str] = Field(default=[], description="pictures of the plugin's folder")
    dependencies: Annotated[Dependencies, BeforeValidator(_in_one_form)] = Field(
        default=Dependencies(), description="what has to be there before it"
    )
    permissions: list[str] | None = Field(default=None, description="what it may do; without the key, everything")
    configuration: Configuration = Field(default=Configuration(), description="where its configuration comes from")
    api: Api = Field(default=Api(), description="where its routes are mounted")
    ui: Ui = Field(default=Ui(), description="what it shows")
    features: Features = Field(default=Features(), description="what it makes use of")
    compatibility: Compatibility = Field(default=Compatibility(), description="where it runs")
    health_check: HealthCheck = Field(default=HealthCheck(), description="how it is asked how it is")
    enabled: bool = Field(default=True, description="whether it is switched on")
    entry_point: str | None = Field(default=None, description="where its class is; the class in plugin.py is taken")
    config: dict[str, Any] = Field(default={}, description="ignored, as by the published framework")

    def told(self) -> dict[str, Any]:
        """Return what the manifest tells people, by its keys, without what it does not say."""
        said = {
            **self.model_dump(
                include={
                    "display_name",
                    "author",
                    "category",
                    "license",
                    "homepage",
                    "repository",
                    "documentation",
                    "keywords",
                    "tags",
                    "icon",
                    "screenshots",
                },
                exclude_unset=True,
            ),
            "api_version": self.api.version,
        }
        if isinstance(self.author, str):
            said["author"] = {"name": self.author}
        return {key: value for key, value in said.items() if value and value != {"name": ""}}

    def identity(self) -> dict[str, str]:
        """Return what the manifest says of the plugin that the plugin may also say itself."""
        return {
            "name": self.name,
            "version": self.version,
            "category": self.category,
            "description": self.description,
            "author": self.author if isinstance(self.author, str) else self.author.name,
        }
