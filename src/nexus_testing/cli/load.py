"""``nexus-testing load``: load on plugins, over sockets, by a profile."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from ..load.report import LoadResult
    from ..load.run import Progress
    from ..performance.verdicts import Verdict
    from .commands import Commands

__all__ = ("add_load",)


def add_load(commands: Commands) -> None:
    """Add the command.

    Args:
        commands: The commands that there are.
    """
    load = commands.add_parser("load", help="put load on plugins, over sockets")
    load.add_argument("plugins", nargs="*", metavar="PLUGIN", help="a name, or the path of a folder")
    load.add_argument("--profile", default="smoke", help="smoke, average, stress, spike, soak, breakpoint or your own")
    load.add_argument("--users", type=float, default=10.0, help="the average of profiles of users (default: 10)")
    load.add_argument("--rate", type=float, default=50.0, help="the average of profiles of requests a second (50)")
    load.add_argument("--time-scale", type=_fraction, default=1.0, help="1/60 makes seconds of minutes")
    load.add_argument("--processes", type=int, default=1, help="workers on this machine (default: 1)")
    load.add_argument("--wait", type=float, default=1.0, help="seconds between a user's requests, on average (1)")
    load.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")
    load.add_argument("--poisson", action="store_true", help="requests come by chance, not evenly")
    load.add_argument("--max-in-flight", type=int, default=200, help="more at once are dropped and counted (200)")
    load.add_argument("--locustfile", type=Path, help="users of your own")
    load.add_argument("--host", help="a server that runs already, such as http://127.0.0.1:8000")
    load.add_argument("--allow-remote", action="store_true", help="the server is another machine, and yours")
    load.add_argument("--start-limit", type=float, default=30.0, help="seconds that the server has to start (30)")
    load.add_argument(
        "--budget", action="append", default=[], metavar="RULE", help="such as 'http_req_duration p(95) < 50ms'"
    )
    load.add_argument("--abort", action="store_true", help="end once a budget has not held for three seconds")
    load.add_argument("--json", type=Path, metavar="FILE", help="write the result")
    load.add_argument("--locust-html", type=Path, metavar="FILE", help="write Locust's own page")
    load.set_defaults(run=_load)


def _fraction(said: str) -> float:
    over, _, under = said.partition("/")
    return float(over) / float(under or 1)


def _load(options: argparse.Namespace) -> int:
    from ..errors import ConfigurationError, ServerEnded
    from ..load.judgement import exit_code
    from ..load.profiles import profile_called, read_profiles
    from ..load.run import run_load
    from ..load.settings import Settings

    folder = Path.cwd()
    if not options.plugins and options.host is None:
        raise ConfigurationError("There is nothing to put load on.", fix="nexus-testing load my_plugin")
    for name in ("users", "rate", "time_scale", "processes", "max_in_flight", "start_limit"):
        if not getattr(options, name) > 0:
            raise ConfigurationError(
                f"--{name.replace('_', '-')} {getattr(options, name)!r} cannot be.", why="it must be more than 0"
            )
    profile = profile_called(options.profile, read_profiles(folder)).scaled(options.time_scale)
    settings = Settings(
        plugins=options.plugins,
        profile=profile,
        average=options.rate if profile.model == "open" else options.users,
        folder=folder,
        host=options.host,
        locustfile=options.locustfile,
        processes=options.processes,
        wait=options.wait,
        seed=options.seed,
        poisson=options.poisson,
        max_in_flight=options.max_in_flight,
        allow_remote=options.allow_remote,
        start_limit=options.start_limit,
        html=options.locust_html,
        budgets=options.budget,
        abort=options.abort,
    )
    try:
        result = run_load(settings, _tell)
    except ServerEnded as error:
        print(f"nexus-testing load: {error}", file=sys.stderr)
        return 1
    if options.json is not None:
        options.json.write_text(result.model_dump_json(indent=2), encoding="utf-8")
    print(_table(result))
    if result.performance.interrupted:
        return 130
    # Where it is looked for, that a budget broke is what was found.
    judged = [one for one in result.verdicts if not (result.aborted and profile.searches and one.status == "FAIL")]
    return exit_code([*judged, *result.recovery]) or (3 if result.generator.lost else 0)


def _tell(progress: Progress) -> None:
    if sys.stderr.isatty():
        text = (
            f"{progress.seconds:.0f} of {progress.of:.0f} s, {progress.requests:,} requests, {progress.failed:,} failed"
        )
        print(f"\r{text:<72}", end="", file=sys.stderr, flush=True)


def _table(result: LoadResult) -> str:
    performance = result.performance
    lines = [
        f"{'':<40} {'requests':>9} {'failed':>7} {'/s':>8} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} {'max ms':>8}"
    ]
    for name, one in [*performance.routes.items(), ("all", performance.total)]:
        spans = one.duration
        times = [spans.p50, spans.p95, spans.p99, spans.max] if spans else []
        lines.append(
            f"{name[-40:]:<40} {one.count:>9,} {one.failed:>7,} {one.rate:>8.1f} "
            + " ".join(f"{value * 1000:>8.2f}" for value in times)
        )
    model = f"{performance.model} model"
    if performance.scheduled is not None:
        model += f", {performance.scheduled:,} due, {performance.dropped:,} dropped"
    lines += ["", f"profile {result.profile}, {model}, {performance.elapsed:.1f} s, seed {performance.seed}"]
    lines += [f"warm-up: {performance.warmup.requests} requests, not counted"]
    if result.server is not None:
        server = result.server
        lag = f", loop at most {server.loop_lag.max * 1000:.0f} ms late" if server.loop_lag else ""
        lines += [f"server: {server.cpu:.2f} processors, {server.rss_peak / 2**20:.0f} MiB at most{lag}"]
    lines += [f"generator: {result.generator.workers} × {result.generator.cpu:.2f} processors"]
    for title, names in (("never called", result.uncalled), ("never answered with success", result.unanswered)):
        if names:
            lines += [f"{title}: {', '.join(names)}"]
    if result.held_rate is not None:
        lines += [f"highest rate at which all budgets held: {result.held_rate:.1f}/s"]
    if result.aborted is not None:
        lines += [f"ended after {result.aborted.at:.1f} s: {result.aborted.budget} had not held for three seconds"]
    lines += [""] + [f"{one.status:<12} {one.rule}: {one.text}{_because(one)}" for one in result.verdicts]
    lines += [f"{one.status:<12} in the last stage, {one.rule}: {one.text}{_because(one)}" for one in result.recovery]
    if result.generator.lost:
        lines += [f"INCONCLUSIVE {result.generator.lost} of {result.generator.workers} workers were lost"]
    return "\n".join(lines).rstrip()


def _because(verdict: Verdict) -> str:
    return f" ({verdict.reason})" if verdict.reason else ""
