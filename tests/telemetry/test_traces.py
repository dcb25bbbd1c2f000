"""From a stalled row to the spans and the log lines of the request that caused it, and how they hang together."""

from typing import Any

import asyncpg

from deploy.local.layout import REPOSITORY
from tests.cli.conftest import Done, run
from tests.telemetry.conftest import OWN, SLOW, Traced
from tests.waiting import until

RUNBOOK = REPOSITORY / "docs" / "operations" / "telemetry.md"
SUBMIT = "POST /v1/tasks/{task_id}:submit"
LAUNCH = "POST /v1/cycles/{cycle_id}:launch"


async def attune(traced: Traced, *arguments: str) -> Done:
    """A command, as HR's administrator, on this stack."""
    told = {"ATTUNE_AS": "ADMIN", "ATTUNE_TENANT": traced.tenant_id}
    return await run(*arguments, ATTUNE_DATA_DIR=str(traced.stack.layout.root), **told)


def runbook_commands(heading: str) -> list[str]:
    """The commands of the first block under a heading of the runbook."""
    section = RUNBOOK.read_text().split(f"## {heading}\n", 1)[1]
    return section.split("```sh\n", 1)[1].split("```", 1)[0].strip().splitlines()


async def launched(traced: Traced) -> dict[str, Any]:
    """The span of the launch, once it arrived: processes hand over their spans some seconds later."""

    def found() -> list[dict[str, Any]]:
        return [span for span in traced.spans() if span["name"] == LAUNCH]

    await until(lambda: bool(found()), SLOW, "the span of the launch arrived")
    [launch] = found()
    return launch


async def test_three_commands_lead_from_a_stalled_row_to_the_lines_of_the_causing_request(traced: Traced) -> None:
    stalled, trace, logs = runbook_commands("From a stalled row to the request that caused it")
    rows = (await attune(traced, *stalled.split()[1:])).value["items"]
    [trace_id] = {row["trace_id"] for row in rows if row.get("task_id")}

    def command(text: str) -> list[str]:
        return [trace_id if word == "TRACE_ID" else word for word in text.split()[1:]]

    names = {LAUNCH, "/attune.reviews.v1.CycleService/LaunchCycle", "sql", "step open_stage"}
    await until(lambda: names <= {span["name"] for span in traced.spans(trace_id)}, SLOW, "the spans arrived")
    shown = await attune(traced, *command(trace))
    assert shown.code == 0, shown.err
    for name in names:
        assert name in shown.out
    lines = await attune(traced, *command(logs))
    assert lines.code == 0, lines.err
    for words in (f"route={LAUNCH.removeprefix('POST ')}", "method=/attune.reviews.v1.CycleService/LaunchCycle"):
        assert words in lines.out
    whole = (await attune(traced, *command(logs), "--json")).value
    assert [line["service"] for line in whole if line["event"] == "request"] == ["gateway"]
    assert [line["timestamp"] for line in whole] == sorted(line["timestamp"] for line in whole)
    failed = [line for line in whole if line["event"] == "step failed"]  # on a slow machine a look fails, too
    told = {(line["service"], line["cause_trace_id"]) for line in failed if line["step"] == "enrol"}
    assert told == {("worker", trace_id)}


async def test_a_trace_that_is_not_kept_is_said_so(traced: Traced) -> None:
    for command in (("trace", "0" * 31 + "1"), ("logs", "--trace", "0" * 31 + "1")):
        refused = await attune(traced, *command)
        assert (refused.code, "is kept" in refused.err) == (1, True)
    assert (await attune(traced, "trace", "no-id")).code == 2


async def test_one_trace_goes_from_rest_through_grpc_into_sql(traced: Traced) -> None:
    def own() -> dict[str, Any]:
        """The submission's spans by id; those of each process arrive some seconds later, on their own way."""
        spans = traced.spans()
        traces = {span["trace_id"] for span in spans if span["name"] == SUBMIT}
        return {span["span_id"]: span for span in spans if span["trace_id"] in traces}

    def whole() -> bool:
        """Whether the call arrived, and nothing of which the caller is missing but the request itself."""
        found = own()
        first = [span["name"] for span in found.values() if span["parent_id"] not in found]
        return first == [SUBMIT] and any(span["name"].endswith("/SubmitTask") for span in found.values())

    await until(whole, SLOW, "the submission's spans hang together")
    arrived = own().values()
    [request] = [span for span in arrived if span["name"] == SUBMIT]
    [rpc] = [span for span in arrived if span["name"].endswith("/SubmitTask")]
    assert rpc["parent_id"] == request["span_id"]
    statements = [span for span in arrived if span["parent_id"] == rpc["span_id"]]
    texts = [span["attributes"]["db.query.text"] for span in statements]
    assert texts[0].startswith("BEGIN; SELECT set_config")
    assert [text for text in texts if "FOR SHARE" in text]
    assert request["attributes"]["attune.tenant"] == traced.tenant_id


async def test_a_step_is_a_trace_of_its_own_linked_to_its_cause_with_the_services_inside(traced: Traced) -> None:
    def inside() -> set[str]:
        spans = traced.spans()
        steps = {span["trace_id"] for span in spans if span["name"] == "step enrol"}
        return {span["service"] for span in spans if span["trace_id"] in steps}

    await until(lambda: inside() == {"worker", "people", "reviews"}, SLOW, "the spans of the enrolment arrived")
    launch = await launched(traced)
    steps = [span for span in traced.spans() if span["name"] == "step enrol"]
    assert len(steps) > 1  # people were gone at first
    for step in steps:
        assert (step["parent_id"], step["causes"]) == ("", [launch["trace_id"]])
        assert step["trace_id"] != launch["trace_id"]
        assert step["attributes"]["attune.cycle"] == traced.cycle_id


async def test_a_message_is_linked_to_what_it_tells_of(traced: Traced) -> None:
    def linked() -> bool:
        spans = traced.spans()
        causes = {cause for span in spans if span["name"] == "event reviews.tasks_opened" for cause in span["causes"]}
        return bool(causes) and causes <= {span["trace_id"] for span in spans if span["name"] == "step open_stage"}

    await until(linked, SLOW, "notify's spans are linked to the steps that opened the stages")


async def test_every_task_knows_the_request_that_caused_it(traced: Traced) -> None:
    launch = await launched(traced)
    connection = await asyncpg.connect(traced.stack.wiring().admin_database_url())
    try:
        rows = await connection.fetch("SELECT DISTINCT trace_id FROM reviews.task")
    finally:
        await connection.close()
    assert [row["trace_id"] for row in rows] == [launch["trace_id"]]


async def test_every_line_of_a_request_or_step_says_whose_and_of_which_trace(traced: Traced) -> None:
    lines = [line for process in OWN for line in traced.log(process)]
    assert {line["service"] for line in lines} == set(OWN)
    of_work = [line for line in lines if line["event"] in ("request", "rpc", "step done", "step failed")]
    without_tenant = ("/v1/dev/token", "/v1/tenants", "/CreateTenant", "/ResolvePrincipal")
    for line in of_work:
        assert len(line["trace_id"]) == 32, line
        where = line.get("route") or line.get("method") or ""
        assert "tenant" in line or where.endswith(without_tenant), line
    about_cycles = [line for line in of_work if "{cycle_id}" in line.get("route", "") or line["event"] == "step done"]
    assert about_cycles
    assert {line["cycle"] for line in about_cycles} == {traced.cycle_id}
