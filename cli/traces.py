"""`trace`: the spans of a trace that the local stack keeps, and how log lines of it are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from cli.output import JsonOption, fail, print_json, results
from deploy.local.kept import spans_of
from deploy.local.layout import Layout

TRACE_ID = re.compile(r"[0-9a-f]{32}")
HINT = "start the stack with ./attune up --traces to keep traces; ./attune logs --trace works without"
SHOWN_ELSEWHERE = {"event", "timestamp", "service", "level", "trace_id", "cause_trace_id"}
STATEMENT_WIDTH = 80


def trace(
    trace_id: Annotated[str, typer.Argument(metavar="ID", help="The trace_id of a row, an answer or a log line.")],
    as_json: JsonOption = False,
) -> None:
    """Show the spans of a trace, and of the steps and events that it caused; needs `up --traces`."""
    wanted = checked_trace_id(trace_id)
    found = spans_of(Layout.default(), wanted)
    if not found:
        fail(f"no span of trace {wanted} is kept; {HINT}")
    if as_json:
        print_json(found)
        return
    for line in _tree(found, wanted):
        results.print(line, markup=False)


def checked_trace_id(trace_id: str) -> str:
    """Return the id of a trace. Raises typer.BadParameter for anything else."""
    if not TRACE_ID.fullmatch(trace_id):
        raise typer.BadParameter("a trace id has 32 hexadecimal digits")
    return trace_id


def told(line: Mapping[str, Any]) -> str:
    """Return a log line as it is shown: when, who, what, and the rest as it was written."""
    rest = " ".join(f"{name}={value}" for name, value in line.items() if name not in SHOWN_ELSEWHERE)
    head = f"{line.get('timestamp', '')}  {line.get('service', ''):<8} {line.get('level', ''):<7} {line.get('event')}"
    return f"{head}  {rest}"


def _tree(spans: Sequence[Mapping[str, Any]], wanted: str) -> Iterator[str]:
    traces = sorted({span["trace_id"] for span in spans}, key=lambda each: each != wanted)
    for trace_id in traces:
        own = [span for span in spans if span["trace_id"] == trace_id]
        yield f"trace {trace_id}" + ("" if trace_id == wanted else "  (caused)")
        known = {span["span_id"] for span in own}
        for root in (span for span in own if span["parent_id"] not in known):
            yield from _branch(root, own, 1)


def _branch(span: Mapping[str, Any], own: Sequence[Mapping[str, Any]], depth: int) -> Iterator[str]:
    statement = " ".join(str(span["attributes"].get("db.query.text", "")).split())[:STATEMENT_WIDTH]
    failed = "  failed" if span["failed"] else ""
    yield f"{'  ' * depth}{span['name']}  {span['ms']} ms  {span['service']}  {statement}".rstrip() + failed
    for child in (each for each in own if each["parent_id"] == span["span_id"]):
        yield from _branch(child, own, depth + 1)


def register(app: typer.Typer) -> None:
    """Add the command of this topic."""
    app.command()(trace)
