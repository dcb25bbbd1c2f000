"""What is emitted is registered, and what is registered is emitted; neither holds a word of anybody's."""

import asyncio
import re
import urllib.request
from collections import defaultdict
from contextlib import suppress
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.telemetry.conftest import CANARIES, OWN, REGISTRY, SERVICES, SLOW, Traced
from tests.waiting import until

Families = dict[str, set[frozenset[str]]]  # name → the sets of labels seen
METRICS = {metric["name"]: metric for metric in REGISTRY["metric"]}
OF_HISTOGRAMS = {"le"}
# Only what nobody can cause on purpose here: stages that do not close, failing workflow code, an engine that is gone.
NOT_CAUSED = {
    "attune_stage_overdue_seconds",
    "temporal_workflow_task_execution_failed_total",
    "temporal_workflow_failed_total",
    "temporal_request_failure_total",
}


def page(traced: Traced, process: str) -> str:
    with urllib.request.urlopen(f"{traced.stack.address(f'{process}_metrics')}/metrics", timeout=30) as reply:  # noqa: S310  # our own process
        return str(reply.read().decode())


def families(text: str) -> Families:
    found: Families = defaultdict(set)
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        for sample in family.samples:
            found[name].add(frozenset(sample.labels.keys() - OF_HISTOGRAMS))
    return found


def senders(entry: dict[str, Any]) -> set[str]:
    return {name for each in entry["from"] for name in (SERVICES if each == "service" else (each,))}


def unregistered(process: str, found: Families) -> list[str]:
    """What a process exposes and the registry does not say of it."""
    wrong = []
    for name, labels in found.items():
        if name in REGISTRY["process"]["metrics"]:
            continue
        entry = METRICS.get(name)
        if entry is None or process not in senders(entry):
            wrong.append(f"{process} exposes {name}")
        elif more := frozenset[str]().union(*labels) - set(entry["labels"]):
            wrong.append(f"{process} exposes {name} by {', '.join(sorted(more))}")
    return wrong


async def test_every_metric_is_registered_and_every_registered_one_is_exposed(traced: Traced) -> None:
    wanted = METRICS.keys() - NOT_CAUSED
    seen: set[str] = set()
    wrong: set[str] = set()

    async def decided() -> bool:
        await asyncio.sleep(0.5)  # the processes have better to do
        for process in OWN:
            try:
                found = families(await asyncio.to_thread(page, traced, process))
            except OSError:  # not in time
                return False
            wrong.update(unregistered(process, found))
            seen.update(found)
        return bool(wrong) or wanted <= seen

    with suppress(AssertionError):
        await until(decided, SLOW)
    assert (sorted(wrong), sorted(wanted - seen)) == ([], [])


def test_what_is_rare_is_named_as_such() -> None:
    assert {name for name in NOT_CAUSED if not METRICS[name].get("rare")} == set()


def test_a_metric_that_nobody_registered_is_found() -> None:
    new, by_tenant = 'attune_new{kind="a"} 1', 'attune_cycles_live{tenant="t"} 1'
    text = f"# TYPE attune_new gauge\n{new}\n# TYPE attune_cycles_live gauge\n{by_tenant}\n"
    assert unregistered("reviews", families(text)) == [
        "reviews exposes attune_new",
        "reviews exposes attune_cycles_live by tenant",
    ]
    assert unregistered("gateway", families("# TYPE attune_cycles_live gauge\nattune_cycles_live 1\n")) == [
        "gateway exposes attune_cycles_live"
    ]


def entry_of(span: dict[str, Any]) -> dict[str, Any] | None:
    """The registered span that this one is, if its sender and attributes are those that were registered."""
    for entry in REGISTRY["span"]:
        if re.fullmatch(entry["pattern"], span["name"]) and span["service"] in senders(entry):
            return dict(entry) if span["attributes"].keys() <= set(entry["attributes"]) else None
    return None


async def test_every_span_is_registered_and_every_registered_one_arrives(traced: Traced) -> None:
    wanted = {(entry["pattern"], name) for entry in REGISTRY["span"] for name in entry["attributes"]}
    seen: set[tuple[str, str]] = set()
    wrong: list[dict[str, Any]] = []

    async def decided() -> bool:
        await asyncio.sleep(0.5)
        for span in traced.spans():
            if (entry := entry_of(span)) is None:
                wrong.append(span)
            else:
                seen.update((entry["pattern"], name) for name in span["attributes"])
        return bool(wrong) or wanted <= seen

    with suppress(AssertionError):
        await until(decided, SLOW)
    assert (wrong[:3], sorted(wanted - seen)) == ([], [])


@pytest.mark.parametrize("change", [{"name": "select"}, {"service": "people"}, {"attributes": {"url.query": "name=x"}}])
def test_a_span_that_nobody_registered_is_found(change: dict[str, Any]) -> None:
    span = {"name": "POST /v1/cycles", "service": "gateway", "attributes": {"http.route": "/v1/cycles"}}
    assert entry_of(span) is not None
    assert entry_of(span | change) is None


async def test_no_word_of_anybody_is_in_logs_spans_or_metrics(traced: Traced) -> None:
    texts = {process: traced.stack.layout.log(process).read_text() for process in OWN}
    texts |= {f"metrics of {process}": await asyncio.to_thread(page, traced, process) for process in OWN}
    texts["spans"] = "".join(file.read_text() for file in traced.stack.layout.traces.glob("spans.jsonl*"))
    assert [(where, canary) for where, text in texts.items() for canary in CANARIES if canary in text] == []
