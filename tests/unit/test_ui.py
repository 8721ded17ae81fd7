"""The user interface of a plugin: what its manifest names, what its code returns, what is served of its folder."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from nexus_testing import create_test_app
from nexus_testing.errors import ExtraMissing, PluginLoadError, TemplateError
from nexus_testing.records import Request

if TYPE_CHECKING:
    from tests.conftest import Repo

pytestmark = pytest.mark.asyncio

PLUGIN = """
    from fastapi import APIRouter
    from nexus_testing.nexus.plugins import BasePlugin


    class ShopPlugin(BasePlugin):
        def get_api_routes(self):
            router = APIRouter()
            router.add_api_route("/static/own.txt", lambda: "the route")
            return [router]
"""
OWN = """
        def get_ui_components(self):
            return {"pages": ["settings"]}
"""
UI: dict[str, Any] = {
    "enabled": True,
    "menu": {"title": "Shop", "icon": "fas fa-shop", "position": 10, "parent": None},
    "dashboard_widgets": [
        {"id": "orders", "title": "Orders", "position": 2},
        {"id": "sales", "title": "Sales", "size": "large", "position": 1},
    ],
}
WIDGETS = [
    {"id": "sales", "title": "Sales", "size": "large", "position": 1},
    {"id": "orders", "title": "Orders", "size": "medium", "position": 2},
]


def write(project: Repo, ui: dict[str, Any], *, own: bool = False, **more: Any) -> None:
    """Write a plugin with templates and files."""
    project.manifest(ui=ui, **more)
    project.write("plugin.py", PLUGIN + OWN * own)
    project.write("ui/templates/_base.html", "<title>{{ menu.title }}</title>{% block body %}{% endblock %}")
    project.write(
        "ui/templates/admin/page.html",
        "{% extends '_base.html' %}{% block body %}{{ plugin.name }} {{ who }} {{ static('a.css') }}{% endblock %}",
    )
    project.write("ui/static/a.css", "h1 {}")
    project.write("ui/static/own.txt", "the file")


async def test_menu_and_widgets_are_what_the_manifest_says(project: Repo) -> None:
    """They come from get_ui_components(), the widgets by their positions, and get_menu_items() has the entry."""
    write(project, UI)
    async with create_test_app() as app:
        await app.load_plugin("shop")
        plugin, ui = app.get_plugin("shop"), app.ui("shop")
        assert {"menu": UI["menu"], "widgets": WIDGETS} == plugin.get_ui_components() == ui.components
        assert [UI["menu"]] == plugin.get_menu_items()
        assert (UI["menu"], WIDGETS) == (ui.menu, ui.widgets)
        plugin.get_ui_components()["menu"]["title"] = "changed"
        assert UI["menu"] == app.ui("shop").menu == plugin.get_ui_components()["menu"]


async def test_a_plugin_may_return_its_own_components(project: Repo) -> None:
    """What it returns stands beside what the manifest names."""
    write(project, UI, own=True)
    async with create_test_app() as app:
        await app.load_plugin("shop")
        ui = app.ui("shop")
        assert ({"pages": ["settings"]}, UI["menu"]) == (ui.components, ui.menu)
        assert "<PluginUi of 'shop'>" == repr(ui)


async def test_templates_and_static_files_are_served_while_the_plugin_is_active(project: Repo) -> None:
    """They stand below the prefix, the plugin's own routes before them, and go with the plugin."""
    write(project, UI, api={"prefix": "/shop", "rate_limit": {"requests": 1, "period": 60}})
    paths = ("ui/admin/page.html", "static/a.css")
    async with create_test_app() as app:
        await app.load_plugin("shop")
        client = app.client()
        page, style = [await client.get(app.url("shop", path)) for path in paths]
        assert (200, "<title>Shop</title>shop  /shop/static/a.css") == (page.status_code, page.text)
        assert page.headers["content-type"].startswith("text/html")
        assert (200, "h1 {}", "text/css; charset=utf-8") == (
            style.status_code,
            style.text,
            style.headers["content-type"],
        )
        assert "the route" == (await client.get("/shop/static/own.txt")).json()
        assert ["shop", "shop", "shop"] == [record.plugin for record in app.journal.of(Request)]
        assert {"/shop/static/own.txt"} == {route.path for route in app.routes} == set(app.openapi()["paths"])
        for gone in (app.disable_plugin, app.enable_plugin, app.reload_plugin, app.unload_plugin):
            await gone("shop")
            there = gone in {app.enable_plugin, app.reload_plugin}
            assert [200 if there else 404] * 2 == [(await client.get(f"/shop/{path}")).status_code for path in paths]


@pytest.mark.parametrize(
    "path",
    ["ui/_base.html", "ui/none.html", "ui/", "ui/%2e%2e/%2e%2e/plugin.py", "static/%2e%2e/%2e%2e/plugin.py"],
)
async def test_nothing_else_of_the_folder_is_served(path: str, project: Repo) -> None:
    """Neither templates for other templates nor what is outside of the two folders."""
    write(project, UI)
    async with create_test_app() as app:
        await app.load_plugin("shop")
        answer = await app.client().get(f"/api/shop/{path}")
        assert 404 == answer.status_code


async def test_without_a_user_interface_nothing_is_served(project: Repo) -> None:
    """Where ui.enabled is not true there is no menu and no file, and names in the manifest are a finding."""
    write(project, {**UI, "enabled": False})
    async with create_test_app() as app:
        await app.load_plugin("shop")
        ui = app.ui("shop")
        assert (None, [], (), (), {}) == (ui.menu, ui.widgets, ui.templates, ui.static, ui.components)
        assert 404 == (await app.client().get("/api/shop/static/a.css")).status_code
        assert ["NX321"] == [one.id for one in app.findings if one.id.startswith("NX32")]


@pytest.mark.parametrize(
    ("ui", "own", "id_", "said"),
    [
        ({"enabled": False}, True, "NX321", "ui.enabled is false, and the plugin writes get_ui_components()"),
        ({"enabled": False, "menu": {"title": "Shop"}}, False, "NX321", "ui.menu names something"),
        ({"dashboard_widgets": [{"id": "a", "title": "A"}]}, False, "NX321", "ui.dashboard_widgets names something"),
        ({"enabled": True}, False, "NX322", "there is no menu"),
    ],
)
async def test_a_manifest_and_a_plugin_that_do_not_agree_are_a_finding(
    *,
    ui: dict[str, Any],
    own: bool,
    id_: str,
    said: str,
    project: Repo,
) -> None:
    """A user interface that is said not to be and is, or the other way round, is reported."""
    project.manifest(ui=ui)
    project.write("plugin.py", PLUGIN + OWN * own)
    async with create_test_app() as app:
        await app.load_plugin("shop")
        (finding,) = [one for one in app.findings if one.id.startswith("NX32")]
    assert (id_, True) == (finding.id, said in finding.text)


@pytest.mark.parametrize(("ui", "own"), [(UI, True), ({"enabled": True}, True), ({}, True), ({}, False)])
async def test_a_manifest_and_a_plugin_that_agree_are_none(
    *,
    ui: dict[str, Any],
    own: bool,
    project: Repo,
) -> None:
    """What the manifest says, or says nothing of, is no finding."""
    project.manifest(ui=ui)
    project.write("plugin.py", PLUGIN + OWN * own)
    async with create_test_app() as app:
        await app.load_plugin("shop")
        assert [] == [one for one in app.findings if one.id.startswith("NX32")]


async def test_a_user_interface_needs_its_permission(project: Repo) -> None:
    """A manifest that lists permissions has to list ui.register where it enables one."""
    write(project, UI, permissions=["api.register"])
    async with create_test_app() as app:
        with pytest.raises(PluginLoadError, match="may not have parts of the user interface"):
            await app.load_plugin("shop")
        write(project, UI, permissions=["api.register", "ui.register"])
        await app.load_plugin("shop")
        assert "ui.register" in app.permissions_used("shop").used


async def test_a_page_can_be_rendered_by_itself(project: Repo) -> None:
    """With variables of the test's, escaped; a name that is none is guessed."""
    write(project, UI)
    async with create_test_app() as app:
        await app.load_plugin("shop")
        ui = app.ui("shop")
        assert ("_base.html", "admin/page.html") == ui.templates
        assert ("a.css", "own.txt") == ui.static
        assert "shop &lt;Ann&gt; " in ui.render("admin/page.html", who="<Ann>")
        with pytest.raises(TemplateError, match=r"Did you mean 'admin/page\.html'\?"):
            ui.render("admin/pag.html")


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("\n{% for %}", "TemplateSyntaxError", 2),
        ("\n\n{{ 1 / 0 }}", "ZeroDivisionError", 3),
        ("{% include 'x' %}", "TemplateNotFound", 1),
    ],
)
async def test_a_template_that_cannot_be_rendered_is_named_with_its_line(
    text: str, said: str, line: int, project: Repo
) -> None:
    """Neither a slip in it nor what it calls is a traceback of the library's."""
    write(project, UI)
    file = project.folder / "ui" / "templates" / "broken.html"
    file.write_text(text, encoding="utf-8")
    async with create_test_app() as app:
        await app.load_plugin("shop")
        with pytest.raises(TemplateError, match=said) as failed:
            await app.client().get("/api/shop/ui/broken.html")
        assert f"{file}:{line}" in str(failed.value.where)
        answer = await app.client(raise_app_exceptions=False).get("/api/shop/ui/broken.html")
        assert 500 == answer.status_code


async def test_what_is_not_installed_is_named_with_its_command(project: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only rendering needs Jinja: a plugin with templates loads without it."""
    write(project, UI)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    async with create_test_app() as app:
        await app.load_plugin("shop")
        with pytest.raises(ExtraMissing, match=re.escape("pip install 'nexus-testing[ui]'")):
            app.ui("shop").render("admin/page.html")


async def test_components_that_raise_say_whose_they_are(project: Repo) -> None:
    """The plugin's exception is left as it is, with a note of where."""
    project.manifest()
    project.write("plugin.py", PLUGIN + "\n        def get_ui_components(self):\n            return Dashboard()\n")
    async with create_test_app() as app:
        await app.load_plugin("shop")
        with pytest.raises(NameError, match="Dashboard") as failed:
            app.ui("shop")
        assert "plugin.py:12" in failed.value.__notes__[0]
