"""`demo`: sets the stack up and plays one whole review cycle over the sample company, then compares the outcome."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.client import Api, Problem, Unreachable, connect
from cli.output import Exit, JsonOption, fail, print_json, progress, results
from cli.stack import start_stack
from deploy.local.demo.company import sample_company
from deploy.local.demo.comparison import Comparison, compare
from deploy.local.demo.crowd import Crowd
from deploy.local.demo.script import write_script
from deploy.local.demo.story import ADMINISTRATOR, Story, Unexpected
from deploy.local.stack import Stack, StackErrors

STAGE_COLUMNS = ("owed", "done", "expired", "extended", "late")
SHOWN_DIFFERENCES = 20
PROFILES = {"standard": 1.0, "slow": 2.0}


def demo(
    profile: Annotated[
        str, typer.Option(envvar="DEMO_PROFILE", help="standard, or slow (twice the time).")
    ] = "standard",
    leave: Annotated[bool, typer.Option("--exit", help="Stop the stack at the end (also DEMO_EXIT=1).")] = False,
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Take free ports, not the documented ones.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run one whole review cycle over the sample company and print its results."""
    if profile not in PROFILES:
        raise typer.BadParameter(f"one of {', '.join(PROFILES)}", param_hint="--profile")
    leave = leave or os.environ.get("DEMO_EXIT") == "1"
    stack = Stack(ports="free" if free_ports else "standard")
    try:
        start_stack(stack)
        found, crowd = _play(stack, PROFILES[profile])
    finally:
        if leave:
            _stop(stack)
    if as_json:
        print_json(_facts(found))
    else:
        _show(found, crowd, None if leave else stack)
    raise typer.Exit(Exit.FAILED if found.differences else Exit.OK)


def _play(stack: Stack, pace: float) -> tuple[Comparison, Crowd]:
    began = time.monotonic()

    def tell(line: str) -> None:
        progress.print(f"{time.monotonic() - began:6.1f} s  {line}", markup=False)

    async def play() -> tuple[Comparison, Crowd]:
        company = sample_company()
        async with connect(stack.address("gateway")) as http:
            name = f"同频科技 {time.strftime('%Y-%m-%d %H:%M:%S')}"
            story = Story(Api(http), company, write_script(company), tell, pace=pace, tenant_name=name)
            crowd = await story.run()
            return await compare(crowd), crowd

    try:
        return asyncio.run(play())
    except KeyboardInterrupt:
        fail("interrupted; run it again at any time")
    except BaseExceptionGroup as group:
        fail(_first(group))
    except (Problem, Unreachable, Unexpected, TimeoutError) as error:
        fail(f"{type(error).__name__}: {error}")


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _stop(stack: Stack) -> None:
    try:
        stack.stop()
    except StackErrors as error:
        progress.print(f"! the stack could not be stopped: {error}", markup=False)


def _show(found: Comparison, crowd: Crowd, stack: Stack | None) -> None:
    results.print(_stages(found))
    results.print(_grades(found))
    results.print(f"{found.exported} results exported; {sum(crowd.refused.values())} submissions refused as too late")
    for line in found.differences[:SHOWN_DIFFERENCES]:
        results.print(f"✗ {line}", markup=False)
    if found.differences:
        results.print(f"{len(found.differences)} differences from what the script implies")
        return
    results.print("Everything came out as the script implies.")
    if stack is not None:
        address = stack.address("gateway")
        results.print(f"Gateway (REST)  {address}\nAPI reference   {address}/docs", markup=False)
        results.print(f"Speak as HR     export ATTUNE_AS={ADMINISTRATOR} ATTUNE_TENANT={crowd.tenant_id}", markup=False)
        results.print(f"Look at it      ./attune cycles show {crowd.cycle_id}", markup=False)
        results.print("Token           ./attune token", markup=False)


def _stages(found: Comparison) -> Table:
    table = Table("stage", "state", *STAGE_COLUMNS, title="Tasks by stage (expected in brackets where it differs)")
    for stage in found.stages:
        wanted = found.expected_stages.get(stage["key"], {})
        table.add_row(stage["key"], stage["state"], *(_cell(stage, wanted, name) for name in STAGE_COLUMNS))
    return table


def _cell(stage: dict[str, Any], wanted: dict[str, int], name: str) -> str:
    got = stage.get(name, 0)
    return str(got) if wanted.get(name, got) == got else f"{got} ({wanted[name]})"


def _grades(found: Comparison) -> Table:
    table = Table("grade", "people", "expected", title="Grades")
    for grade, wanted in found.expected_distribution.items():
        table.add_row(grade, str(found.distribution.get(grade, 0)), str(wanted))
    return table


def _facts(found: Comparison) -> dict[str, Any]:
    return {
        "stages": found.stages,
        "distribution": found.distribution,
        "expected_distribution": found.expected_distribution,
        "participants": found.participants,
        "exported": found.exported,
        "differences": found.differences,
    }


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)
