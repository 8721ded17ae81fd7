"""What goes on outside of the event loop, and for which virtual time waits."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import anyio.to_thread
import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from nexus_testing.clock import RealClock, VirtualClock, outside
from nexus_testing.clock import loop as loops
from nexus_testing.limits import limit

pytestmark = pytest.mark.asyncio
START = datetime(2030, 1, 1, tzinfo=UTC)


async def _heartbeat() -> None:
    while True:
        await asyncio.sleep(60)


@pytest.mark.parametrize("way", ["to_thread", "executor", "anyio"])
async def test_a_thread_at_work_holds_time_still(way: str) -> None:
    """A time limit of five virtual seconds does not cut short what takes real milliseconds."""
    with VirtualClock() as clock:
        task = asyncio.create_task(_heartbeat())
        async with asyncio.timeout(5):
            if way == "to_thread":
                await asyncio.to_thread(time.sleep, 0.05)
            elif way == "executor":
                await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.05)
            else:
                await anyio.to_thread.run_sync(time.sleep, 0.05)
        assert START == clock.now()
        task.cancel()


async def test_moving_the_clock_waits_for_threads() -> None:
    """The result of a thread is there before time moves on, at the instant at which it was started."""
    with VirtualClock() as clock:
        seen: list[datetime] = []

        async def work() -> None:
            await asyncio.sleep(10)
            await asyncio.to_thread(time.sleep, 0.02)
            seen.append(clock.now())

        task = asyncio.create_task(work())
        await clock.advance(days=1)
        assert [START + timedelta(seconds=10)] == seen
        assert task.done()


async def test_plain_endpoints_hold_time_still() -> None:
    """FastAPI runs them in threads of anyio's."""
    app = FastAPI()

    @app.get("/")
    def slow() -> str:
        time.sleep(0.03)
        return datetime.now(UTC).isoformat()

    with VirtualClock() as clock:
        task = asyncio.create_task(_heartbeat())
        async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as client:
            assert START.isoformat() == (await client.get("/", timeout=1)).json()
        assert START == clock.now()
        task.cancel()


async def test_a_thread_that_waits_for_the_loop_gets_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing was heard of a thread for long, time goes on: it may itself be waiting for a timer."""
    monkeypatch.setattr(outside, "WORK_GRACE", 0.05)
    with VirtualClock() as clock:
        await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(anyio.sleep, 100))
        assert START + timedelta(seconds=100) == clock.now()


async def test_a_process_at_work_holds_time_still() -> None:
    """From its start to its end, and to the last byte of what it says."""
    with VirtualClock() as clock:
        task = asyncio.create_task(_heartbeat())
        async with asyncio.timeout(5):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-Sc", "import time; time.sleep(0.05); print('done')", stdout=asyncio.subprocess.PIPE
            )
            said, _ = await process.communicate()
        assert b"done" == said.strip()
        assert 0 == process.returncode
        assert START == clock.now()
        task.cancel()


@pytest.fixture(name="echo")
def _echo() -> Iterator[int]:
    """A server in a thread that answers each line after twenty milliseconds."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            while line := connection.recv(100):
                time.sleep(0.02)
                connection.sendall(line)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.close()
    thread.join(5)


async def test_a_connection_may_answer_before_time_goes_on(echo: int) -> None:
    """After something was written, time waits a moment; a quiet connection costs a month of virtual time nothing."""
    with VirtualClock() as clock:
        task = asyncio.create_task(_heartbeat())
        reader, writer = await asyncio.open_connection("127.0.0.1", echo)
        before = clock.now()
        for _ in range(3):
            writer.write(b"hello\n")
            async with asyncio.timeout(5):
                assert b"hello\n" == await reader.readline()
        assert before == clock.now()
        started = time.perf_counter()
        await clock.advance(days=3)
        assert time.perf_counter() - started < 3, "4,320 jumps would wait 50 ms each"
        writer.close()
        await writer.wait_closed()
        task.cancel()


async def test_the_grace_of_connections_is_the_tests_to_choose(echo: int) -> None:
    """One that is shorter than the answer takes lets the time limit come first."""
    with VirtualClock(io_grace=0.001):
        reader, writer = await asyncio.open_connection("127.0.0.1", echo)
        writer.write(b"hello\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await reader.readline()
        writer.close()
        await writer.wait_closed()


async def test_connections_within_the_loop_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ends are to be seen: what is under way between them shows at once."""
    monkeypatch.setattr(outside, "IO_GRACE", 1.0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            await asyncio.sleep(1)
            writer.write(line)
        writer.close()

    with VirtualClock() as clock:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        started, before = time.perf_counter(), clock.time()
        for _ in range(5):
            writer.write(b"hello\n")
            await reader.readline()
        assert 5 == clock.time() - before
        assert time.perf_counter() - started < 2
        writer.close()
        await writer.wait_closed()
        server.close()


async def test_a_thread_of_ones_own_is_announced() -> None:
    """Nobody can see it, so the code that starts it holds time still until it has answered."""
    with VirtualClock() as clock:
        task = asyncio.create_task(_heartbeat())
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        thread = threading.Timer(0.05, lambda: loop.call_soon_threadsafe(done.set))
        with clock.external():
            thread.start()
            await done.wait()
        assert START == clock.now()
        thread.join()
        done.clear()
        thread = threading.Timer(0.05, lambda: loop.call_soon_threadsafe(done.set))
        thread.start()
        await clock.advance(minutes=1)
        assert not done.is_set(), "the pitfall: what is not announced comes late"
        thread.join()
        task.cancel()
    with RealClock().external():
        pass


@pytest.mark.parametrize("module", ["redis.asyncio.connection", "pymongo.asynchronous.pool", "motor.core"])
async def test_timers_of_database_drivers_stay_in_real_time(module: str) -> None:
    """They watch real connections: a month of virtual time does not let them fire, and real time does."""
    namespace: dict[str, object] = {"__name__": module, "asyncio": asyncio}
    code = "async def wait(seconds):\n    async with asyncio.timeout(seconds):\n        await asyncio.Event().wait()\n"
    exec(compile(code, f"/site-packages/{module.replace('.', '/')}.py", "exec"), namespace)  # noqa: S102 - written here
    wait = namespace["wait"]
    with VirtualClock() as clock:
        task = asyncio.create_task(wait(0.05))  # type: ignore[operator]  # the function from above
        await clock.settle()
        assert clock.next_deadline() is None
        assert [True] == [one.real for one in clock.timers()]
        await clock.advance(days=30)
        assert not task.done()
        with pytest.raises(TimeoutError):
            await task
        assert START + timedelta(days=30) == clock.now()


async def test_limits_of_the_harness_are_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A month in virtual time does not use up a limit of half a second; half a second does."""
    with VirtualClock() as clock:
        async with limit(0.5):
            await clock.advance(days=30)
            await asyncio.sleep(86_400)
        monkeypatch.setattr(loops, "QUIET_OUTSIDE", 0.01)
        with pytest.raises(TimeoutError):
            async with limit(0.1):
                await asyncio.Event().wait()
        assert START + timedelta(days=31) == clock.now()
