"""The hooks. What they do is in the modules beside this one."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

from . import (
    apps,
    audit,
    clocks,
    coroutines,
    faults,
    fixtures,
    framework,
    performance,
    places,
    settings,
    shared,
    tracebacks,
)
from .fixtures import *  # noqa: F403 - pytest finds fixtures among the names of a registered module
from .fixtures import nexus_between_tests, respx_mock  # noqa: F401 - as above; they are no names that users use
from .report import KEY as REPORT
from .report import OUTPUT, Report

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_MACHINE = pytest.StashKey[Mapping[str, str]]()
_UNDO = pytest.StashKey[list[Any]]()
_UNAWAITED: list[Any] = []
# pytest gives no configuration to the hook that reports tests; sessions nest when a test runs pytest.
_session_report: list[Report] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the options."""
    settings.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Decide what `import nexus` finds, before any code of the author's is imported."""
    from nexus_testing.errors import NexusTestingError
    from nexus_testing.namespace import install

    said = early_config.stash[settings.KEY] = settings.read(early_config)
    early_config.stash[_MACHINE] = dict(os.environ)
    undo = early_config.stash[_UNDO] = []
    root = early_config.rootpath
    try:
        undo.append(install(said.backend, look_in=[root]))
    except NexusTestingError as error:
        raise pytest.UsageError(str(error)) from error
    wanted = early_config.known_args_namespace.nexus_result
    early_config.stash[REPORT] = Report(said.backend, early_config.invocation_params.dir / wanted if wanted else None)
    here = early_config.stash[places.KEY] = places.Places(root, said.plugins)
    undo.append(here.forget)
    here.prepare(root)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set what holds for every app, and keep advice about event loops from ending the run."""
    coroutines.silence_unset_scope(config)
    if config.stash[settings.KEY].backend == "platform":
        framework.filter_warnings(config)
    _session_report.append(config.stash[REPORT])
    performance.refuse_unreadable(config)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(performance.Verdicts(config), "nexus-verdicts")
    config.addinivalue_line("markers", "nexus_allow(*ids, reason): findings that are none in this test, and why.")
    config.addinivalue_line("markers", "nexus_allow_leaks(*kinds, reason): what this test may leave alive, and why.")
    config.addinivalue_line("markers", "nexus_allow_network(*hosts, reason): what this test may reach, and why.")
    config.addinivalue_line("markers", clocks.MARK)
    if config.pluginmanager.is_blocked("respx"):
        config.addinivalue_line("markers", "respx(…): configure the fixture respx_mock, as respx does.")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Take everything back."""
    if config.stash.get(REPORT, None) in _session_report:
        _session_report.remove(config.stash[REPORT])
    steps: list[Any] = config.stash.get(_UNDO, [])
    for undo in reversed(steps):
        undo()


def pytest_report_header(config: pytest.Config) -> str:
    """Say which framework runs the plugins."""
    from nexus_testing._version import __version__
    from nexus_testing.namespace import platform_installed

    said = config.stash[settings.KEY]
    line = f"nexus-testing: {__version__}, backend {said.backend}"
    if said.backend == "embedded" and platform_installed():
        line += " (nexus-platform is installed and not used)"
    hidden = config.stash[places.KEY].hidden(config.stash[_MACHINE])
    if hidden:
        line += f"\nnexus-testing: hidden from the plugins: {', '.join(hidden)}; give them by create_test_app(env=…)"
    return line


# -- collection ----------------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a plugin's folder as a folder: pytest must not import its `__init__.py` under a name of its own."""
    if not os.path.isfile(f"{path}/manifest.json"):
        return None
    parent.config.stash[places.KEY].prepare(path)
    from nexus_testing.runtime.discovery import is_plugin_folder

    return pytest.Dir.from_parent(parent, path=path) if is_plugin_folder(path) else None


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> None:
    """Make the plugins that a test file can see importable before it is imported."""
    here = parent.config.stash[places.KEY]
    here.prepare(module_path)
    if parent.config.stash[settings.KEY].backend == "platform" and here.near(module_path):
        framework.prefetch()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> Generator[None, Any, Any]:
    """Mark coroutine tests that nobody else would run, and give test classes of ours their app."""
    cls = getattr(collector, "obj", None) if isinstance(collector, pytest.Class) else None

    def used() -> list[str]:
        return coroutines.fixtures_of(collector, obj, cls)

    def in_play() -> bool:
        if collector.config.stash[places.KEY].near(collector.path) or clocks.is_marked(collector, obj):
            return True
        return bool(fixtures.OURS.intersection(used())) or _is_case(cls)

    def scope() -> str | None:
        return shared.remembered(collector, obj, lambda: shared.scope_of(used()))

    with coroutines.asyncio_mark(collector, name, obj, in_play, scope):
        made = yield
    for item in made if isinstance(made, list) else [made]:
        if isinstance(item, pytest.Function):
            shared.take_back_after(item)
    if isinstance(collector, pytest.Class) and _is_case(collector.obj):
        for item in made if isinstance(made, list) else [made]:
            if isinstance(item, pytest.Function) and "nexus_app" not in item.fixturenames:
                item.fixturenames.insert(0, "nexus_app")
    return made


def pytest_itemcollected(item: pytest.Item) -> None:
    """Put the clock before everything that may ask what time it is."""
    clocks.put_first(item)


def _is_case(cls: object) -> bool:
    module = sys.modules.get("nexus_testing.case")
    return module is not None and isinstance(cls, type) and issubclass(cls, module.Case)


def pytest_exception_interact(node: Any, call: pytest.CallInfo[Any], report: Any) -> None:
    """Explain a test file that cannot import a plugin, since the installed framework lacks what that imports."""
    if not isinstance(report, pytest.CollectReport) or node.config.stash[settings.KEY].backend != "platform":
        return
    finding = framework.explain(call.excinfo)
    if finding is not None:
        node.config.stash[REPORT].count(finding)


# -- running -------------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let the library know which file the test is in."""
    here = item.config.stash[places.KEY]
    discovery = sys.modules.get("nexus_testing.runtime.discovery")
    before = discovery.set_project(here.project(item.path)) if discovery is not None else None
    try:
        return (yield)
    finally:
        if discovery is not None:
            discovery.set_project(before)
        findings = sys.modules.get("nexus_testing.findings")
        if findings is not None:
            findings.allow({})


def _allow(item: pytest.Item) -> None:
    """Let the library know which findings a test allows."""
    marks = list(item.iter_markers("nexus_allow"))
    if not marks:
        return
    from nexus_testing.findings import allow

    ids = {id_: mark.kwargs.get("reason", "") for mark in reversed(marks) for id_ in mark.args}
    allow(ids)
    item.config.stash[REPORT].allow(ids)


def _in_play(request: Any) -> bool:
    # The test that asked first: a fixture of the whole session has no path of its own.
    path = request._pyfuncitem.path
    return bool(fixtures.OURS.intersection(request.fixturenames)) or request.config.stash[places.KEY].near(path)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
    """Run async fixtures on the test's loop, shut down the apps that fixtures make, take in the fixture `plugin`."""
    name = fixturedef.argname
    if coroutines.is_coroutine(fixturedef.func) and _in_play(request) and not coroutines.runs_elsewhere(request):
        if coroutines.has_asyncio(request.config):
            with coroutines.on_loop_of_test(fixturedef, request):
                return (yield from _set_up(fixturedef, request))
        elif name in fixtures.OURS:
            raise pytest.UsageError(
                f"The fixture {name!r} needs pytest-asyncio, which is switched off.\n"
                "fix: take `-p no:asyncio` out of the command line or of addopts."
            )
    return (yield from _set_up(fixturedef, request))


_APPS = frozenset({"nexus_app", *shared.SCOPES})


def _set_up(fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
    name = fixturedef.argname
    if name in _APPS and fixturedef.func.__module__ == fixtures.__name__:
        _configure_library(request.config)
        fixtures.options_of(request)
    if name == "plugin" and apps.is_authors(fixturedef) and _in_play(request):
        return (yield from apps.adopting(fixturedef, request))
    if name in fixtures.OURS or "nexus_testing.app" not in sys.modules:
        return (yield)
    _configure_library(request.config)
    with apps.closing_what_it_makes(fixturedef.func, request):
        return (yield)


def _configure_library(config: pytest.Config) -> None:
    """Tell the library what the configuration says; once the library is there at all."""
    if config.stash.get(_CONFIGURED, False):
        return
    config.stash[_CONFIGURED] = True
    import nexus_testing.nexus
    from nexus_testing.backends import Limits
    from nexus_testing.calls import collect_unawaited
    from nexus_testing.defaults import Defaults, set_defaults

    said = config.stash[settings.KEY]
    undo = config.stash[_UNDO]
    limits = Limits(hook=said.hook_timeout, drain=said.drain_timeout)
    # Pytest's own, of the fixture tmp_path; it is not there with -p no:tmpdir.
    folders: Any = getattr(config, "_tmp_path_factory", None)
    scratch = functools.cache(lambda: folders.mktemp("nexus")) if folders is not None else None
    machine = config.stash[_MACHINE]
    before = set_defaults(
        Defaults(
            limits,
            said.client,
            said.backend,
            machine,
            said.audit != "off",
            guarded=True,
            sections=said.sections(),
            scratch=scratch,
        )
    )
    undo.append(lambda: set_defaults(before))
    if said.version:
        version = nexus_testing.nexus.__version__
        nexus_testing.nexus.__version__ = said.version
        undo.append(lambda: setattr(nexus_testing.nexus, "__version__", version))
    collector = collect_unawaited(_UNAWAITED)
    undo.append(lambda: collect_unawaited(collector))
    apps.open_apps()


_CONFIGURED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note what a test allows, and fail one whose fixtures forgot an `await`."""
    __tracebackhide__ = True
    _allow(item)
    audit.begin(item)
    if "nexus_testing.app" in sys.modules:
        _configure_library(item.config)
    try:
        result = yield
    except BaseException as error:
        audit.note_unnoticed(item, error)
        raise
    _refuse_unawaited()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Shut down the apps that a test left open, and fail it if it forgot an `await`."""
    __tracebackhide__ = True
    before = {id(app) for app in apps.open_apps()}
    performance.begin(item)
    try:
        result = yield
        unhit = faults.end()
    except BaseException as error:
        faults.note(error)
        for call in _UNAWAITED:
            error.add_note(f"Besides, {call.name}() was never awaited, at {call.where}.")
        _UNAWAITED.clear()
        audit.note_unnoticed(item, error)
        raise
    finally:
        performance.end(item)
        if "nexus_testing.app" in sys.modules:
            left = [app for app in apps.open_apps() if id(app) not in before]
            for app in left:
                item.config.stash[REPORT].add(app)
            apps.close(left)
    _refuse_unawaited()
    faults.raise_unhit(unhit)
    audit.raise_unnoticed(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
    """Gather the findings of the test's apps, and fail a teardown that forgot an `await`."""
    __tracebackhide__ = True
    ours = list(apps.open_apps())
    faults.forget()
    try:
        result = yield
    finally:
        for app in ours:
            item.config.stash[REPORT].add(app)
    _refuse_unawaited()
    audit.end(item, nextitem)
    return result


def _refuse_unawaited() -> None:
    __tracebackhide__ = True
    if not _UNAWAITED:
        return
    from nexus_testing.errors import UnawaitedCall

    calls = list(_UNAWAITED)
    _UNAWAITED.clear()
    raise UnawaitedCall(
        f"{calls[0].name}() was called and never awaited, so it did nothing.",
        where="\n".join(str(call.where) for call in calls),
        fix="Write `await` in front of it.",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Leave the harness out of tracebacks, unless all of it is asked for."""
    if call.excinfo is not None and not item.config.getoption("fulltrace"):
        call.excinfo = tracebacks.shortened(call.excinfo)
    report = yield
    performance.attach(item, report)
    return report


# -- reporting -----------------------------------------------------------------------------------------------------


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep how a test ended. xdist sends the reports of its workers to the main process."""
    if _session_report:
        _session_report[-1].note(report)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Send what a worker process of xdist gathered to the main one, which writes the result file."""
    report = session.config.stash[REPORT]
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[OUTPUT] = report.as_output()
        return
    from nexus_testing.errors import NexusTestingError

    try:
        report.write_result(int(exitstatus))
    except NexusTestingError as error:
        raise pytest.UsageError(str(error)) from error


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what a worker process of xdist gathered."""
    output = getattr(node, "workeroutput", {}).get(OUTPUT)
    if output is not None:
        node.config.stash[REPORT].merge(output)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write the summary."""
    terminalreporter.config.stash[REPORT].write(terminalreporter)
