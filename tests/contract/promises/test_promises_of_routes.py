"""Routes: where they are, what they answer, who may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nexus_testing.errors import ConsistencyError, NotOnBackend, PluginLoadError

if TYPE_CHECKING:
    from .conftest import Runtime

pytestmark = pytest.mark.asyncio

HELLO = """
    @router.get("/hello")
    async def hello():
        return {"hello": self.name}
"""


class TestAddresses:
    """Where a plugin's routes are."""

    async def test_the_plugins_own(self, runtime: Runtime) -> None:
        """`app.url` knows it on both."""
        runtime.write(routes=HELLO)
        app = await runtime.start("shop")
        assert app.url("shop", "/hello") == f"{runtime.routes_at('shop')}/hello"
        async with app.client() as client:
            assert (await client.get(app.url("shop", "/hello"))).json() == {"hello": "shop"}

    async def test_the_manifests(self, runtime: Runtime) -> None:
        """The framework does not look at it."""
        runtime.write(routes=HELLO, api={"prefix": "/api/fine"})
        app = await runtime.start("shop")
        here, there = "/api/fine/hello", "/api/plugins/business.shop/hello"
        assert app.url("shop", "/hello") == runtime.either("address", here=here, production=there)

    async def test_a_routers_own_prefix(self, runtime: Runtime) -> None:
        """It is there twice on the framework."""
        runtime.write(routes=HELLO, router="prefix='/v1'")
        app = await runtime.start("shop")
        prefix = runtime.either("prefix", here="/v1", production="/v1/v1")
        assert app.url("shop", "/v1/hello") == f"{runtime.routes_at('shop')}{prefix}/hello"

    async def test_a_plugin_that_is_loaded_late(self, runtime: Runtime) -> None:
        """As shipped nothing is mounted after the start; the harness mounts it there when connected, with a finding."""
        runtime.write(routes=HELLO)
        app = await runtime.start()
        await app.load_plugin("shop")
        async with app.client() as client:
            status = (await client.get(f"{runtime.routes_at('shop')}/hello")).status_code
        assert status == runtime.either("late-load", here=200, production=200, as_shipped=404)
        assert any(finding.id == "NX806" for finding in app.findings) is not runtime.here

    async def test_routes_that_the_framework_has_itself(self, runtime: Runtime) -> None:
        """They come first there."""
        runtime.write(routes="@router.post('/enable')\nasync def enable():\n    return {'mine': True}\n")
        app = await runtime.start("shop")
        async with app.client() as client:
            mine = "mine" in (await client.post(f"{runtime.routes_at('shop')}/enable")).json()
        assert mine is runtime.either("shadowed-by-core", here=True, production=False)

    @pytest.mark.parametrize("statement", ["raise ValueError('no routes')", "return APIRouter()"])
    async def test_routes_that_cannot_be_made(self, runtime: Runtime, statement: str) -> None:
        """The error names the plugin on both; in memory the app is up all the same."""
        runtime.write("shop", routes=statement)
        runtime.write("till", routes=HELLO)
        app = runtime.make("till", "shop")
        with pytest.raises(PluginLoadError, match="'shop'"):
            await app.startup()
        await app.shutdown()
        app = await runtime.start("till")
        goes_on = runtime.either("routes-that-raise", here=True, production=False)
        if goes_on:
            assert await app.load_plugin("shop", check=False) is False
            async with app.client() as client:
                assert (await client.get(f"{runtime.routes_at('till')}/hello")).status_code == 200


class TestAnswers:
    """What comes back, and what of it is the framework's."""

    async def test_errors_of_routes(self, runtime: Runtime) -> None:
        """They have the published bodies; headers are dropped on the framework."""
        runtime.write(
            routes="""
            @router.get("/busy")
            async def busy():
                raise HTTPException(503, "busy", headers={"Retry-After": "7"})

            @router.get("/broken")
            async def broken():
                raise ValueError("no tills")

            @router.get("/number/{number}")
            async def number(number: int):
                return number
            """
        )
        app = await runtime.start("shop")
        async with app.client(raise_app_exceptions=False) as client:
            busy = await client.get(app.url("shop", "/busy"))
            broken = await client.get(app.url("shop", "/broken"))
            number = await client.get(app.url("shop", "/number/x"))
            nowhere = await client.get("/nowhere")
        assert (busy.status_code, busy.json()["error"]["code"], busy.json()["error"]["message"]) == (503, 503, "busy")
        assert busy.headers.get("Retry-After") == runtime.either("headers-of-errors", here="7", production=None)
        assert broken.json()["error"]["message"] == "Internal server error"
        assert (number.status_code, list(number.json())) == (422, ["detail"])
        assert (nowhere.status_code, nowhere.json()) == (404, {"detail": "Not Found"})
        async with app.client() as client:
            with pytest.raises(ValueError, match="no tills"):
                await client.get(app.url("shop", "/broken"))

    async def test_events_of_a_request_are_delivered_when_it_is_answered(self, runtime: Runtime) -> None:
        """A test needs no drain after a request."""
        runtime.write(
            initialize="self.event_bus.subscribe('shop.asked', self.hear)",
            routes="""
            @router.get("/ask")
            async def ask():
                await self.publish_event("shop.asked", {"n": 1})
                return {}
            """,
        )
        app = await runtime.start("shop")
        async with app.client() as client:
            await client.get(app.url("shop", "/ask"))
        assert app.get_plugin("shop").seen == [("shop.asked", {"n": 1})]

    async def test_web_sockets(self, runtime: Runtime) -> None:
        """They are mounted as routes are."""
        runtime.write(
            routes="""
            @router.websocket("/ws")
            async def ws(socket: WebSocket):
                await socket.accept()
                await socket.send_text(await socket.receive_text())
            """
        )
        app = await runtime.start("shop")
        async with app.client() as client, client.websocket(app.url("shop", "/ws")) as socket:
            await socket.send_text("open")
            assert await socket.receive_text() == "open"

    async def test_the_app_says_that_it_is_healthy(self, runtime: Runtime) -> None:
        """With the number of its plugins."""
        runtime.write()
        app = await runtime.start("shop")
        async with app.client() as client:
            health = (await client.get("/health")).json()
        assert (health["status"], health["plugins"]) == ("healthy", 1)

    async def test_overrides(self, runtime: Runtime) -> None:
        """They hold for a block; one that no route has is refused."""
        runtime.write(
            top="def hours():\n    return 'closed'\n",
            routes="""
            @router.get("/hours")
            async def opening(said: str = Depends(hours)):
                return {"hours": said}
            """,
        )
        app = await runtime.start("shop")
        import shop.plugin  # type: ignore[import-not-found]  # it is written above

        async with app.client() as client:
            with app.override(shop.plugin.hours, "open"):
                assert (await client.get(app.url("shop", "/hours"))).json() == {"hours": "open"}
            assert (await client.get(app.url("shop", "/hours"))).json() == {"hours": "closed"}
        with pytest.raises(ConsistencyError, match="no route"), app.override(len, 1):
            pass


class TestUsers:
    """Who asks."""

    async def test_the_current_user(self, runtime: Runtime) -> None:
        """An anonymous one in memory; whoever has any token on the framework, and nobody else."""
        runtime.write(
            top="from nexus.auth import get_current_user",
            routes="""
            @router.get("/me")
            async def me(user=Depends(get_current_user)):
                return {"id": user.id}
            """,
        )
        app = await runtime.start("shop")
        async with app.client() as client:
            status = (await client.get(app.url("shop", "/me"))).status_code
            with_token = await client.get(app.url("shop", "/me"), params={"token": "anything"})
        assert status == runtime.either("current-user", here=200, production=401)
        is_demo = with_token.json()["id"] == "demo_user"
        assert is_demo is runtime.either("current-user", here=False, production=True)

    async def test_a_user_who_is_logged_in(self, runtime: Runtime) -> None:
        """There are none on the framework, and it says so."""
        runtime.write()
        app = await runtime.start("shop")
        async with app.client() as client:
            if runtime.here:
                assert (await client.as_user("jo").get("/health")).status_code == 200
            else:
                with pytest.raises(NotOnBackend):
                    client.as_user("jo")

    async def test_a_permission_that_a_route_requires(self, runtime: Runtime) -> None:
        """Nobody has it on the framework, whoever asks."""
        runtime.write(
            top="from nexus.auth import get_current_user, require_permission",
            routes="""
            @router.get("/till")
            @require_permission("till.open")
            async def till(current_user=Depends(get_current_user)):
                return {}
            """,
        )
        app = await runtime.start("shop")
        async with app.client(raise_app_exceptions=False) as client:
            somebody = client.as_user("jo", permissions=["till.open"]) if runtime.here else client
            response = await somebody.get(app.url("shop", "/till"), params={"token": "anything"})
        assert response.status_code == runtime.either("required-permission", here=200, production=401)

    async def test_a_bearer_token(self, runtime: Runtime) -> None:
        """The framework's own dependency fails for it; in memory there is the guide's."""
        name = runtime.either("auth-manager", here="require_auth", production="require_authentication")
        runtime.write(
            top=f"from nexus.auth import {name}",
            routes=f"""
            @router.get("/me")
            async def me(user=Depends({name})):
                return {{}}
            """,
        )
        app = await runtime.start("shop")
        async with app.client(raise_app_exceptions=False) as client:
            nobody = await client.get(app.url("shop", "/me"))
            bearer = await client.get(app.url("shop", "/me"), headers={"Authorization": "Bearer x"})
        assert nobody.status_code == 401
        assert bearer.status_code == runtime.either("auth-manager", here=401, production=500)


class TestLimits:
    """What the manifest says of a plugin's routes and rights."""

    async def test_the_rate_limit(self, runtime: Runtime) -> None:
        """It holds in memory."""
        runtime.write(routes=HELLO, api={"rate_limit": {"requests": 1, "period": 60}})
        app = await runtime.start("shop")
        async with app.client() as client:
            statuses = [(await client.get(app.url("shop", "/hello"))).status_code for _ in range(2)]
        assert statuses[1] == runtime.either("rate-limit", here=429, production=200)

    async def test_permissions(self, runtime: Runtime) -> None:
        """What is not declared is refused in memory."""
        runtime.write(initialize="await self.event_bus.publish('a', {})", permissions=["database.read"])
        app = await runtime.start()
        loads = await app.load_plugin("shop", check=False)
        assert loads is runtime.either("permissions", here=False, production=True)
