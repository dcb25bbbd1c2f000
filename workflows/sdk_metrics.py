"""Which of the engine SDK's own metrics this system exposes: a closed list, so that dashboards and alerts can rely."""

import re
from collections.abc import Iterator

EXPOSED = frozenset(
    {
        "temporal_activity_execution_failed_total",
        "temporal_activity_execution_latency_seconds",
        "temporal_activity_schedule_to_start_latency_seconds",
        "temporal_local_activity_execution_latency_seconds",
        "temporal_num_pollers",
        "temporal_request_failure_total",
        "temporal_request_latency_seconds",
        "temporal_sticky_cache_size",
        "temporal_worker_task_slots_available",
        "temporal_worker_task_slots_used",
        "temporal_workflow_failed_total",
        "temporal_workflow_task_execution_failed_total",
        "temporal_workflow_task_execution_latency_seconds",
        "temporal_workflow_task_schedule_to_start_latency_seconds",
    }
)
NAME = re.compile(r"(?:# (?:HELP|TYPE) )?(\w+)")
PARTS = re.compile(r"_(?:bucket|sum|count)$")


def exposed(page: bytes) -> bytes:
    """Return the lines of a page of metrics that belong to the list."""
    return "".join(_lines(page.decode())).encode()


def _lines(page: str) -> Iterator[str]:
    for line in page.splitlines(keepends=True):
        found = NAME.match(line)
        if found and (found[1] in EXPOSED or PARTS.sub("", found[1]) in EXPOSED):
            yield line
