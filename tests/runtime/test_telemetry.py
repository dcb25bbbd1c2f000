"""What a process says of itself: log lines without words of people, traces that are kept or not, ages that grow."""

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy.local.layout import REPOSITORY
from services.runtime import telemetry
from services.runtime.database import Database
from services.runtime.telemetry import traces

CAUSE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACE = f"00-{CAUSE}-00f067aa0ba902b7-{{flags}}"


class Kept(SpanExporter):
    """Keeps what was exported."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS

    def named(self, name: str) -> ReadableSpan:
        [span] = [span for span in self.spans if span.name == name]
        return span


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """Every trace is kept, as in a process that was told where to send them and a ratio of 1."""
    exporter = Kept()
    provider = TracerProvider(sampler=traces.SAMPLER, id_generator=traces.Ids())
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(traces, "tracer", provider.get_tracer("attune"))
    monkeypatch.setitem(traces.SAMPLING, "below", 1 << 64)
    yield exporter
    provider.shutdown()


def said(program: str, level: str = "INFO") -> list[dict[str, Any]]:
    """The log lines of a program that was configured as every process is."""
    head = "import logging; from services.runtime import telemetry; from services.runtime.telemetry import logs\n"
    head += f"logs.configure_logs('things', {level!r}); log = telemetry.log\n"
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(program)],
        cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_lines_are_json_with_service_ids_and_trace_and_those_of_libraries_too() -> None:
    header = TRACE.format(flags="00")
    own, library = said(
        f"""
        with telemetry.serving("/a.B/C", {{"traceparent": "{header}"}}):
            telemetry.concerns(tenant="t", cycle="")
            log.debug("not said at this level")
            log.info("done", count=1)
        logging.getLogger("some.library").warning("odd %s", "thing")
        """
    )
    assert own | {"timestamp": ""} == {
        "event": "done", "count": 1, "tenant": "t", "service": "things", "trace_id": CAUSE, "level": "info",
        "timestamp": "",
    }  # fmt: skip
    assert (library["event"], library["logger"], library["service"]) == ("odd thing", "some.library", "things")


def test_the_words_of_an_error_are_not_said_unless_they_name_code() -> None:
    [line] = said(
        """
        class Taken(Exception):
            reason, sqlstate = "TAKEN", "23505"
        try:
            try:
                None.nothing
            except AttributeError as cause:
                raise Taken("Key (email)=(secret@a.example) already exists") from cause
        except Taken as error:
            log.error("failed", exc_info=error)
        """
    )
    assert "secret" not in json.dumps(line)
    taken, cause = line["error_chain"]
    assert (taken["type"], taken["reason"], taken["sqlstate"]) == ("__main__.Taken", "TAKEN", "23505")
    assert cause["text"] == "'NoneType' object has no attribute 'nothing'"
    assert taken["at"]


def test_the_caller_of_a_request_decides_whether_its_trace_is_kept(kept: Kept) -> None:
    for flags in ("00", "01"):
        with telemetry.serving(flags, {"traceparent": TRACE.format(flags=flags)}):
            assert telemetry.current_trace_id() == CAUSE
    assert [span.name for span in kept.spans] == ["01"]
    assert kept.spans[0].parent is not None


def test_a_new_trace_is_one_root_with_the_id_by_which_it_was_chosen(kept: Kept) -> None:
    with telemetry.serving("root", {}):
        ours = telemetry.current_trace_id()
    root = kept.named("root")
    assert root.parent is None
    assert format(root.context.trace_id, "032x") == ours
    with telemetry.serving("poll", {}, begins=False):
        assert len(telemetry.current_trace_id()) == 32
    assert [span.name for span in kept.spans] == ["root"]


def test_a_share_of_traces_is_kept_and_what_a_kept_one_causes(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(traces.SAMPLING, "below", 1 << 60)  # one of 16
    for _ in range(3_200):
        with telemetry.serving("some", {}):
            pass
    assert 100 < len(kept.spans) < 320
    kept.spans.clear()
    small, great = "f" * 16 + "0" * 15 + "1", "0" * 16 + "f" * 16
    for _ in range(20):
        with telemetry.caused("of a kept one", telemetry.trace_named(small)):
            pass
    assert len(kept.spans) == 20
    with telemetry.caused("of a forced one", telemetry.parse_traceparent(f"00-{great}-{'1' * 16}-01")):
        pass
    assert kept.named("of a forced one").links[0].context.trace_id == int(great, 16)


def test_nothing_is_made_where_nobody_takes_it() -> None:
    with telemetry.caused("step x", telemetry.parse_traceparent(TRACE.format(flags="01")), tenant="t") as span:
        assert not span.is_recording()
        assert telemetry.current_trace_id() not in ("", CAUSE)
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_only_ids_are_taken_from_a_request() -> None:
    good = "01890a5d-ac96-774b-bcce-b302099a8057"
    given: dict[str, object] = {"cycle_id": good, "task_id": "张三", "stage_id": 7, "name": good}
    assert telemetry.ids_in(given.get) == {"cycle": good}


async def test_statements_have_spans_also_those_that_fail_and_those_of_the_driver(
    kept: Kept, database: Database
) -> None:
    with telemetry.serving("request", {}):
        async with database.transaction(uuid4()) as connection:
            await connection.execute(text("SELECT :value"), {"value": "secret"})
        with pytest.raises(DBAPIError):
            async with database.transaction(uuid4()) as connection:
                await connection.execute(text("SELECT nothing"))
        async with database.raw_transaction(uuid4()) as driver:
            await driver.fetchval("SELECT 'of the driver'::text || $1::text", "secret")
        await asyncio.sleep(0)  # the driver tells of a statement when the loop comes to it
    request = kept.named("request")
    statements = [span for span in kept.spans if span.name == "sql"]
    texts = [str((span.attributes or {})["db.query.text"]) for span in statements]
    assert len([each for each in texts if "of the driver" in each]) == 1
    assert [span.status.is_ok for span, each in zip(statements, texts, strict=True) if "nothing" in each] == [False]
    assert {span.parent and span.parent.span_id for span in statements} == {request.context.span_id}
    assert "secret" not in "".join(texts)


def test_an_age_grows_until_something_is_reached() -> None:
    gauge = Gauge("test_age", "Test", registry=CollectorRegistry())
    age = telemetry.Age(gauge)
    age.reached(0)
    assert age.seconds() > 1e9
    [sample] = [sample for family in gauge.collect() for sample in family.samples]
    assert sample.value > 1e9
    age.reached(4e12)  # another machine's clock is ahead
    assert age.seconds() == 0
