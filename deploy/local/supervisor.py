"""The one process that owns all others of the local stack: starts them in order, restarts them, stops them."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from temporalio.service import RPCError

from deploy.jobs import engine
from deploy.local import keys, leftovers, migrate, ports, postgres, processes, programs, redis, steps, temporal
from deploy.local.child import Child, Program, StartFailed
from deploy.local.environment import Wiring, traced
from deploy.local.holding import ALREADY_RUNNING, lock
from deploy.local.layout import REPOSITORY, Layout
from deploy.local.processes import Identity
from deploy.local.state import ProgressLog, StackState, read_state, write_state
from deploy.local.temporal_binary import Search, TemporalMissing, user_cache
from deploy.names import SERVICES, SIGNERS

_TEMPORAL_REGISTER_SECONDS = 120.0  # as long as any other part may take to start


@dataclass(frozen=True)
class Options:
    """How one supervisor was asked to run."""

    layout: Layout
    port_mode: ports.PortMode
    only: frozenset[str]
    tied: bool
    checkout: Path


class Supervisor:
    """One run of the stack."""

    def __init__(self, options: Options, environment: Mapping[str, str]) -> None:
        self._layout = options.layout
        self._steps = steps.with_needs(options.only)
        self._environment = environment
        self._checkout = options.checkout
        self._progress = ProgressLog(self._layout)
        self._children: dict[str, Child] = {}
        before = read_state(self._layout)
        self._claims = ports.Claims()  # held while this process lives
        self._wiring = self._settle(options.port_mode, before)
        if steps.COLLECTOR in self._steps:
            self._environment = traced(self._wiring, environment)
        own = Identity.of(os.getpid())
        self._state = StackState(
            supervisor=asdict(own) if own else {},
            data_dir=str(self._layout.root),
            namespace=self._wiring.namespace,
            admin_url=self._wiring.admin_url,
            redis_url=self._wiring.redis_url,
            temporal_address=self._wiring.temporal_address,
            role_passwords=dict(self._wiring.role_passwords),
            steps=[step for step in steps.NEEDS if step in self._steps],
            ports=dict(self._wiring.ports),
            addresses=self._addresses(),
        )

    async def run(self, stop: asyncio.Event) -> int:
        """Start everything, keep it running until told to stop, stop everything; the exit code."""
        self._write()
        starting = asyncio.create_task(self._start_all())
        stopping = asyncio.create_task(stop.wait())
        code = 0
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done() and (error := starting.exception()):
            code = 1
            self._state.error = _in_words(error)
            self._progress.say("stack", "failed", self._state.error)
        elif starting.done():
            self._state.state = "ready"
            self._write()
            self._progress.say("stack", "ready", "everything is ready")
            await stopping
        for task in (starting, stopping):
            task.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)
        await self._stop_all()
        self._state.state = "failed" if code else "stopped"
        self._write()
        return code

    def _settle(self, mode: ports.PortMode, before: StackState | None) -> Wiring:
        """Choose ports and addresses, saying what differs from the documented ones."""
        chosen, moved = ports.choose(mode, before.ports if before else {}, self._claims)
        for port in moved:
            if port.name in self._port_names():
                self._progress.say("ports", "note", str(port))
        given = self._environment
        database = given.get("DATABASE_URL", "").replace("postgresql+asyncpg://", "postgresql://")
        kept = before.role_passwords if before else {}
        return Wiring(
            layout=self._layout,
            ports=chosen,
            admin_url=database or postgres.superuser_url(self._layout),
            role_passwords=(kept or migrate.new_role_passwords()) if database else {},
            redis_url=given.get("REDIS_URL") or f"redis://{ports.LOOPBACK}:{chosen['redis']}/0",
            temporal_address=given.get("TEMPORAL_ADDRESS") or f"{ports.LOOPBACK}:{chosen['temporal']}",
            namespace=given.get("TEMPORAL_NAMESPACE") or temporal.NAMESPACE,
        )

    def _port_names(self) -> set[str]:
        """The ports that the steps of this run use."""
        used = {name for step in self._steps for name in (step, f"{step}_metrics")}
        return used | ({"engine"} if "bridge" in self._steps else set())

    def _addresses(self) -> dict[str, str]:
        names = [*SERVICES, "gateway", "engine", "worker_metrics", "postgres", "redis", "temporal"]
        return {name: _without_password(self._wiring.address(name)) for name in names}

    async def _start_all(self) -> None:
        done = {step: asyncio.Event() for step in self._steps}
        async with asyncio.TaskGroup() as group:
            for step in steps.NEEDS:
                if step in self._steps:
                    group.create_task(self._start_step(step, done))

    async def _start_step(self, step: str, done: Mapping[str, asyncio.Event]) -> None:
        for need in steps.NEEDS[step]:
            await done[need].wait()
        special: Mapping[str, Callable[[], Awaitable[None]]] = {
            "postgres": self._start_postgres,
            "redis": self._start_redis,
            "temporal": self._start_temporal,
            steps.DATABASE_STEP: self._prepare_database,
            steps.COLLECTOR: self._start_collector,
        }
        if step in special:
            await special[step]()
        else:
            await self._start(programs.own_program(self._wiring, step, self._environment))
        done[step].set()

    async def _start(self, program: Program) -> None:
        child = self._children[program.name] = Child(program, self._write)
        await child.start()
        self._progress.say(program.name, "ready", _without_password(program.address))

    async def _start_postgres(self) -> None:
        if "DATABASE_URL" in self._environment:
            self._note("postgres", "using DATABASE_URL")
            return
        await asyncio.to_thread(postgres.prepare, self._layout)
        await self._start(programs.postgres_program(self._wiring, self._environment))

    async def _start_redis(self) -> None:
        if "REDIS_URL" in self._environment:
            self._note("redis", "using REDIS_URL")
            return
        server = redis.server_on_path()
        if server is None:
            self._note("redis", redis.STAND_IN_NOTE)
        await self._start(programs.redis_program(self._wiring, server, self._environment))

    async def _start_collector(self) -> None:
        await self._start(programs.collector_program(self._wiring, self._environment))

    async def _start_temporal(self) -> None:
        if "TEMPORAL_ADDRESS" in self._environment:
            self._note("temporal", f"using TEMPORAL_ADDRESS, {self._wiring.temporal_address}")
        else:
            search = Search(
                kept=self._layout.binaries,
                cache=user_cache(self._environment),
                report=lambda text: self._progress.say("temporal", "working", text),
            )
            binary = await search.find()
            temporal.write_configuration(self._layout, self._wiring.ports)
            await self._start(programs.temporal_program(self._wiring, binary, self._environment))
            if binary.kind == "cli":
                self._state.addresses["temporal_ui"] = self._wiring.address("temporal_ui")
        address, namespace = self._wiring.temporal_address, self._wiring.namespace
        settings = engine.EngineJobSettings(temporal_address=address, temporal_namespace=namespace)
        try:
            async with asyncio.timeout(_TEMPORAL_REGISTER_SECONDS):
                await engine.register(settings)
        except (
            RuntimeError,
            RPCError,
            TimeoutError,
        ) as error:  # RuntimeError: what the client raises when nobody answers
            reason = str(error) or "no answer in time"
            raise StartFailed(f"Temporal at {address} cannot be used: {reason}") from error

    async def _prepare_database(self) -> None:
        say = self._progress.say
        services = [service for service in SERVICES if service in self._steps] or list(SERVICES)
        changed = await migrate.prepare_database(
            self._wiring,
            services,
            self._environment,
            lambda text: say(steps.DATABASE_STEP, "working", text),
            self._checkout,
        )
        say(steps.DATABASE_STEP, "ready", "schemas are up to date" if changed else "schemas are as they were left")

    async def _stop_all(self) -> None:
        self._state.state = "stopping"
        self._write()
        for group in steps.STOP_ORDER:
            await asyncio.gather(*(self._children[name].stop() for name in group if name in self._children))

    def _note(self, step: str, text: str) -> None:
        self._state.notes.append(f"{step}: {text}")
        self._progress.say(step, "note", text)

    def _write(self) -> None:
        self._state.processes = {name: child.state for name, child in self._children.items()}
        write_state(self._layout, self._state)


def _without_password(address: str) -> str:
    parts = urlsplit(address) if "://" in address else None
    if parts is None or parts.password is None:
        return address
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}"))


def _in_words(error: BaseException) -> str:
    """The reasons inside a group of errors; what is not foreseen keeps its type."""
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(_in_words(inner) for inner in error.exceptions)
    if isinstance(error, StartFailed | TemporalMissing | migrate.MigrationFailed):
        return str(error)
    return f"{type(error).__name__}: {error}"


@contextlib.asynccontextmanager
async def _stop_event(tied: bool) -> AsyncIterator[asyncio.Event]:
    """Set by SIGTERM or SIGINT, and when tied by the end of standard input, i.e. of whoever started this."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, stop.set)
    if tied:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    yield stop
    if tied:
        loop.remove_reader(sys.stdin.fileno())


async def _supervise(options: Options) -> int:
    async with _stop_event(options.tied) as stop:
        supervisor = Supervisor(options, os.environ)
        return await supervisor.run(stop)


def _options(arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.supervisor", description=__doc__)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--ports", choices=("standard", "free"), default="standard")
    parser.add_argument("--only", default=",".join(steps.PROCESSES), help="process names, comma separated")
    parser.add_argument("--tied", action="store_true", help="stop when standard input ends")
    parser.add_argument("--checkout", type=Path, default=REPOSITORY, help="whose code and migrations to start with")
    given = parser.parse_args(arguments)
    only = frozenset(given.only.split(","))
    return Options(Layout.at(given.data_dir), given.ports, only, given.tied, given.checkout)


def main(arguments: list[str] | None = None) -> int:
    """Run one supervisor; 3 when another one holds the data directory."""
    options = _options(arguments)
    try:
        with lock(options.layout):
            options.layout.make()
            leftovers.end_leftovers(options.layout)
            os.environ[processes.MARK] = str(options.layout.root)
            options.layout.rotate_logs()
            options.layout.release_all()
            options.layout.run_from(options.checkout, SIGNERS)
            keys.make_keys(options.layout)
            return asyncio.run(_supervise(options))
    except BlockingIOError:
        print("another supervisor runs this data directory", file=sys.stderr)  # noqa: T201 - goes to its log
        return ALREADY_RUNNING


if __name__ == "__main__":
    sys.exit(main())
