"""`up`, `down`, `status`, `logs`: the local stack."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from cli.output import JsonOption, fail, print_json, progress, results
from cli.traces import checked_trace_id, told
from deploy.local.kept import lines_of
from deploy.local.layout import Layout
from deploy.local.stack import Stack, StackErrors
from deploy.local.state import Progress, StackState
from deploy.local.steps import COLLECTOR, EVERY_PROCESS, NEEDS, PROCESSES

_MARKS = {"working": "[dim]·[/]", "ready": "[green]✓[/]", "note": "[yellow]![/]", "failed": "[red]✗[/]"}
_PLAIN_MARKS = {"working": "...", "ready": "ok ", "note": "!  ", "failed": "x  "}
_NAME_WIDTH = max(len(name) for name in NEEDS) + 1


class StartDisplay:
    """Shows how a start goes on: a line per step, and on a terminal what is being waited for."""

    def __init__(self) -> None:
        self._on_terminal = progress.is_terminal
        self._live = Live(self._waiting("starting"), console=progress, transient=True) if self._on_terminal else None

    def __enter__(self) -> StartDisplay:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def tell(self, line: Progress) -> None:
        """Show one thing that was said about a step; failures are told by the command itself."""
        if line.state == "failed" or line.step == "stack":
            return
        if self._live and line.state == "working":
            self._live.update(self._waiting(f"{line.step}: {line.text}"))
            return
        if self._live:
            self._live.update(self._waiting("waiting for the others"))
        mark = _MARKS[line.state] if self._on_terminal else _PLAIN_MARKS[line.state]
        text = Text.from_markup(f"{mark} {line.step:<{_NAME_WIDTH}} ")
        progress.print(text.append(line.text).append(f"  {line.seconds:.1f} s", style="dim"))

    @staticmethod
    def _waiting(what: str) -> RenderableType:
        return Spinner("dots", text=what)


def start_stack(stack: Stack) -> bool:
    """Start the stack and show how it goes on; false when it ran already. Ends the command when it fails."""
    try:
        with StartDisplay() as display:
            return stack.start(display.tell)
    except StackErrors as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail("interrupted; the stack goes on starting. `up` follows it again, `down` stops it")


def up(
    only: Annotated[str, typer.Option(help="Start these only, comma separated, and what they need.")] = "",
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Take free ports, not the documented ones.")] = False,
    traces: Annotated[bool, typer.Option("--traces", help="Keep all traces in .attune/traces.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Start the local stack, or follow one that is just starting; its data is kept in .attune/."""
    try:
        wanted = [*(only.split(",") if only else PROCESSES), *([COLLECTOR] if traces else [])]
        stack = Stack(ports="free" if free_ports else "standard", only=wanted)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from None
    began = start_stack(stack)
    state = stack.running()
    if as_json:
        print_json(state.public())
        return
    progress.print("Attune is up." if began else "Attune was up already.")
    results.print(_addresses(state))


def down(as_json: JsonOption = False) -> None:
    """Stop the local stack; its data stays."""
    try:
        stopped = Stack().stop()
    except StackErrors as error:
        fail(str(error))
    if as_json:
        print_json({"stopped": stopped})
    else:
        results.print("Attune is down; its data is kept." if stopped else "Attune was not running.")


def status(as_json: JsonOption = False) -> None:
    """Show the processes of the local stack; exit code 1 when it is not ready."""
    stack = Stack()
    state = stack.state()
    if state is None or not state.is_current():
        if as_json:
            print_json({"state": "stopped", "data_dir": str(stack.layout.root), "processes": {}})
        fail("Attune is not running; start it with ./attune up")
    if as_json:
        print_json(state.public())
    else:
        results.print(_processes(state))
        for note in state.notes:
            results.print(f"! {note}")
    if not state.all_ready():
        raise typer.Exit(1)


def logs(
    process: Annotated[str | None, typer.Argument(help="One process; all when left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines from the end.")] = 40,
    trace: Annotated[str, typer.Option(help="The lines of this trace and of what it caused, by time.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show what the processes of the local stack wrote."""
    layout = Layout.default()
    if trace:
        _show_lines(layout, checked_trace_id(trace), as_json=as_json)
        return
    known = sorted(log.stem for log in layout.logs.glob("*.log"))
    if process is not None and process not in known:
        raise typer.BadParameter(f"no log of {process!r}; there are: {', '.join(known) or 'none yet'}")
    chosen = [layout.log(name) for name in ([process] if process else known)]
    if not chosen:
        fail("nothing was logged yet; start the stack with ./attune up")
    if follow:
        _follow(chosen, lines)
    elif as_json:
        print_json({log.stem: _tail(log, lines) for log in chosen})
    else:
        for log in chosen:
            if process is None:
                results.print(f"== {log.stem}", style="bold")
            for line in _tail(log, lines):
                typer.echo(line)


def _show_lines(layout: Layout, trace_id: str, *, as_json: bool) -> None:
    found = lines_of(layout, trace_id)
    if not found:
        fail(f"no log line of trace {trace_id} is kept in {layout.logs}")
    if as_json:
        print_json(found)
        return
    for line in found:
        results.print(told(line), markup=False)


def register(app: typer.Typer) -> None:
    """Add the commands of this topic."""
    for command in (up, down, status, logs):
        app.command()(command)


def _tail(log: Path, lines: int) -> list[str]:
    return log.read_text(errors="replace").splitlines()[-lines:] if lines else []


def _follow(chosen: list[Path], lines: int) -> None:
    """Follow across restarts of the stack, too; ends when interrupted."""
    try:
        command = ["tail", "-n", str(lines), "-F", *map(str, chosen)]
        subprocess.run(command, check=False)  # noqa: S603 - a fixed program and our own files
    except KeyboardInterrupt:
        return


def _addresses(state: StackState) -> Table:
    table = Table.grid(padding=(0, 2))
    rows: dict[str, Any] = {
        "Gateway (REST)": state.addresses["gateway"],
        "API reference": f"{state.addresses['gateway']}/docs",
        "Temporal": state.addresses["temporal"],
        "Temporal UI": state.addresses.get("temporal_ui"),
        "Data and logs": state.data_dir,
    }
    for title, value in rows.items():
        if value:
            table.add_row(title, value)
    return table


def _processes(state: StackState) -> Table:
    table = Table("process", "state", "pid", "restarts", box=None, pad_edge=False, header_style="bold")
    table.add_column("address", overflow="fold")
    for name in EVERY_PROCESS:
        if (process := state.processes.get(name)) is not None:
            color = "green" if process.state == "ready" else "yellow"
            pid = str(process.pid or "-")
            table.add_row(name, f"[{color}]{process.state}[/]", pid, str(process.restarts), process.address)
    return table
