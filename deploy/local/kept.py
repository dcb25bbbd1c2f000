"""What the local stack has kept of a trace: its spans, those of what it caused, and the log lines of both."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from deploy.local.collector import FILE, FILE_BEFORE
from deploy.local.layout import Layout


def spans_of(layout: Layout, trace_id: str) -> list[dict[str, Any]]:
    """The spans of a trace and of the traces linked to it, by time; empty when none was kept."""
    files = (layout.traces / FILE_BEFORE, layout.traces / FILE)
    spans = list(_objects(files, ""))
    told = {trace_id} | {span["trace_id"] for span in spans if trace_id in span["causes"]}
    return sorted((span for span in spans if span["trace_id"] in told), key=lambda span: str(span["start"]))


def lines_of(layout: Layout, trace_id: str) -> list[dict[str, Any]]:
    """The log lines, of all processes, of a trace and of what it caused, by time; those before a restart, too."""
    files = sorted(layout.logs.glob("*.log.1")) + sorted(layout.logs.glob("*.log"))
    lines = (
        line for line in _objects(files, trace_id) if trace_id in (line.get("trace_id"), line.get("cause_trace_id"))
    )
    return sorted(lines, key=lambda line: str(line.get("timestamp", "")))


def _objects(files: Iterable[Path], containing: str) -> Iterator[dict[str, Any]]:
    for file in files:
        if not file.exists():
            continue
        with file.open(errors="replace") as lines:
            for line in lines:
                if containing in line and (found := _object(line)) is not None:
                    yield found


def _object(line: str) -> dict[str, Any] | None:
    """A line that is a whole JSON object; PostgreSQL and Redis write others, and the last one may be half written."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
