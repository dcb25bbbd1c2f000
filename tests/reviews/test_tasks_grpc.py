"""Tasks and outcomes over real gRPC: what a person does in order, and how nonsense is answered."""

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from protos.people.v1 import people_pb2_grpc
from protos.reviews.v1 import outcomes_pb2, outcomes_pb2_grpc, tasks_pb2, tasks_pb2_grpc
from protos.scoring.v1 import scoring_pb2_grpc
from services.reviews.__main__ import compose
from services.reviews.clients import PeopleClient, ScoringClient
from services.reviews.domain.model import StageKind, TaskKind
from services.runtime.clock import new_id
from services.runtime.database import Database
from services.runtime.errors import reason_of
from services.runtime.eventlog import Wake
from services.runtime.identity import Principal
from services.runtime.serve import build_server, open_channel
from tests.identity import Keyring, person
from tests.reviews.seed import Seed

SERVICES = (
    tasks_pb2.DESCRIPTOR.services_by_name["TaskService"],
    outcomes_pb2.DESCRIPTOR.services_by_name["OutcomeService"],
)
METHODS = [(service.full_name, method) for service in SERVICES for method in service.methods]
OURS = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    directory: Path = tmp_path_factory.mktemp("keys")
    keyring = Keyring(directory)
    keyring.signer("gateway")
    keyring.signer("reviews")
    return keyring


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("reviews")


@pytest.fixture(scope="module")
async def channel(keys: Keyring, database: Database) -> AsyncIterator[grpc.aio.Channel]:
    """Reviews alone; people and scoring cannot be reached."""
    async with open_channel("127.0.0.1:9") as nowhere:
        people = PeopleClient(people_pb2_grpc.PeopleServiceStub(nowhere), keys.signer("reviews"))
        scoring = ScoringClient(scoring_pb2_grpc.ScoringServiceStub(nowhere), keys.signer("reviews"))
        server, _ = build_server(compose(database, Wake("", "reviews"), people, scoring), keys.verifier())
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with open_channel(f"127.0.0.1:{port}") as opened:
            yield opened
        await server.stop(None)


class Caller:
    """One person at the two services."""

    def __init__(self, channel: grpc.aio.Channel, keys: Keyring, principal: Principal) -> None:
        self.tasks = tasks_pb2_grpc.TaskServiceStub(channel)
        self.outcomes = outcomes_pb2_grpc.OutcomeServiceStub(channel)
        self.call: dict[str, Any] = {"metadata": keys.as_user(principal), "timeout": 10.0}


def answer(item: str, value: str) -> tasks_pb2.Answer:
    return tasks_pb2.Answer(item=item, value=value)


async def test_from_the_list_over_a_draft_to_a_submission_and_back(
    channel: grpc.aio.Channel, keys: Keyring, database: Database
) -> None:
    seed = await Seed(database).cycle()
    stage = await seed.stage()
    participant, employee = await seed.participant()
    await seed.task(stage, employee, participant_id=participant, subject_id=employee)
    me = Caller(channel, keys, seed.person(employee))

    [task] = (await me.tasks.ListTasks(tasks_pb2.ListTasksRequest(open=True), **me.call)).tasks
    assert (task.kind, task.state, task.version) == ("self_review", tasks_pb2.TASK_STATE_OPEN, 0)
    shown = await me.tasks.GetTask(tasks_pb2.GetTaskRequest(task_id=task.id), **me.call)
    assert '"teamwork"' in shown.form_json
    save = tasks_pb2.SaveTaskRequest(
        request_id="draft", task_id=task.id, answers=[answer("kpi/output", "1.50")], comment="so far"
    )
    saved = (await me.tasks.SaveTask(save, **me.call)).task
    assert (saved.state, saved.version) == (tasks_pb2.TASK_STATE_IN_PROGRESS, 1)
    assert (await me.tasks.SaveTask(save, **me.call)).task == saved
    draft = (await me.tasks.GetTask(tasks_pb2.GetTaskRequest(task_id=task.id), **me.call)).submission
    assert (draft.draft, draft.answers[0].value, draft.comment) == (True, "1.5", "so far")

    submit = tasks_pb2.SubmitTaskRequest(
        request_id="submit",
        task_id=task.id,
        stage_id=task.stage_id,
        version=1,
        answers=[answer("conduct/teamwork", "4")],
    )
    receipt = await me.tasks.SubmitTask(submit, **me.call)
    assert (receipt.version, receipt.state, receipt.late) == (2, tasks_pb2.TASK_STATE_SUBMITTED, False)
    assert await me.tasks.SubmitTask(submit, **me.call) == receipt
    submit.comment = "other"
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await me.tasks.SubmitTask(submit, **me.call)
    assert reason_of(refused.value) == "IDEMPOTENCY_KEY_REUSED"
    submit.request_id = ""
    with pytest.raises(grpc.aio.AioRpcError) as nameless:
        await me.tasks.SubmitTask(submit, **me.call)
    assert reason_of(nameless.value) == "REQUEST_ID_REQUIRED"
    recall = tasks_pb2.RecallTaskRequest(request_id="recall", task_id=task.id)
    assert (await me.tasks.RecallTask(recall, **me.call)).task.state == tasks_pb2.TASK_STATE_RECALLED


async def test_the_lines_of_a_task_name_its_tenant_cycle_stage_and_task(
    channel: grpc.aio.Channel, keys: Keyring, database: Database
) -> None:
    seed = await Seed(database).cycle()
    stage = await seed.stage()
    participant, employee = await seed.participant()
    task = await seed.task(stage, employee, participant_id=participant, subject_id=employee)
    me = Caller(channel, keys, seed.person(employee))
    sent: dict[str, Any] = {"task_id": str(task), "stage_id": str(stage)}
    asked: list[tuple[Any, Message, str]] = [
        (me.tasks.GetTask, tasks_pb2.GetTaskRequest(task_id=str(task)), "OK"),
        (me.tasks.SubmitTask, tasks_pb2.SubmitTaskRequest(request_id="bad", version=-1, **sent), "INVALID_ARGUMENT"),
        (me.tasks.SubmitTask, tasks_pb2.SubmitTaskRequest(request_id="old", version=9, **sent), "ABORTED"),
        (
            me.tasks.SubmitTask,
            tasks_pb2.SubmitTaskRequest(request_id="good", answers=[answer("conduct/teamwork", "4")], **sent),
            "OK",
        ),
        (me.tasks.RecallTask, tasks_pb2.RecallTaskRequest(request_id="back", task_id=str(task)), "OK"),
    ]
    with capture_logs(processors=[merge_contextvars]) as lines:
        for call, request, _ in asked:
            with suppress(grpc.aio.AioRpcError):
                await call(request, **me.call)
    told = [line for line in lines if line["event"] == "rpc"]
    assert [line["code"] for line in told] == [code for *_, code in asked]
    for line in told:
        named = (line["tenant"], line["cycle"], line["task"])
        assert named == (str(seed.tenant_id), str(seed.cycle_id), str(task)), line
    assert [line["stage"] for line in told if "Submit" in line["method"]] == [str(stage)] * 3


async def test_pages_go_on_by_their_token(channel: grpc.aio.Channel, keys: Keyring, database: Database) -> None:
    seed = await Seed(database).cycle()
    stage = await seed.stage()
    employee = new_id()
    wanted = {str(await seed.task(stage, employee, TaskKind.CUSTOM)) for _ in range(5)}
    me = Caller(channel, keys, seed.person(employee))
    found: list[str] = []
    request = tasks_pb2.ListTasksRequest(page_size=2)
    while True:
        page = await me.tasks.ListTasks(request, **me.call)
        found += [task.id for task in page.tasks]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert len(found) == 5
    assert set(found) == wanted
    for token in ("x", "W10=", "WyJ4IiwieSJd"):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await me.tasks.ListTasks(tasks_pb2.ListTasksRequest(page_token=token), **me.call)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_roles_open_the_doors_and_rows_the_rooms(
    channel: grpc.aio.Channel, keys: Keyring, database: Database
) -> None:
    seed = await Seed(database).cycle()
    stage = await seed.stage(StageKind.MANAGER_REVIEW)
    participant, employee = await seed.participant(manager := new_id())
    task = await seed.task(stage, manager, TaskKind.MANAGER_REVIEW, participant_id=participant, subject_id=employee)
    until = Timestamp()
    until.FromDatetime(datetime(2099, 1, 1, tzinfo=UTC))
    extend = tasks_pb2.ExtendTaskRequest(request_id="1", task_id=str(task), until=until, reason="ill")
    remind = tasks_pb2.RemindTasksRequest(request_id="2", task_ids=[str(task)])
    for roles in ((), ("manager",), ("operator",), ("auditor",), ("appeal_owner",)):
        caller = Caller(channel, keys, seed.person(new_id(), *roles))
        calls: list[tuple[Any, Message]] = [(caller.tasks.ExtendTask, extend), (caller.tasks.RemindTasks, remind)]
        for call, request in calls:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(request, **caller.call)
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    hr = Caller(channel, keys, seed.person(new_id(), "hr_admin"))
    assert (await hr.tasks.ExtendTask(extend, **hr.call)).task.extended
    assert [each.code for each in (await hr.tasks.RemindTasks(remind, **hr.call)).outcomes] == ["OK"]
    reassign = tasks_pb2.ReassignTaskRequest(request_id="3", task_id=str(task), assignee="E2", reason="ill")
    with pytest.raises(grpc.aio.AioRpcError) as down:
        await hr.tasks.ReassignTask(reassign, **hr.call)
    assert down.value.code() is grpc.StatusCode.UNAVAILABLE


texts = st.one_of(
    st.just(""),
    st.builds(lambda: str(uuid4())),
    st.sampled_from(["x", "\x00", "click", "NaN", "1e999", "-1", "9" * 40, "é" * 300, "2026-13-01", "{}", "..", "𝟙"]),
    st.text(max_size=40),
)
numbers = st.sampled_from([-(2**31), -1, 0, 1, 2, 500, 501, 2**31 - 1])
seconds = st.sampled_from([-(2**63), -62135596801, 0, 1_800_000_000, 253402300800, 2**63 - 1])


def new_message(descriptor: Any) -> Message:
    return message_factory.GetMessageClass(descriptor)()


def value_of(draw: Any, field: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return draw(texts)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return draw(st.booleans())
    if field.type == FieldDescriptor.TYPE_BYTES:
        return draw(st.binary(max_size=20))
    if field.type == FieldDescriptor.TYPE_INT64:
        return draw(seconds)
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return filled(draw, new_message(field.message_type))
    return draw(numbers)


def filled(draw: Any, message: Message) -> Message:
    """The message with any of its fields set to something that may be nonsense."""
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()):
            continue
        if field.is_repeated:
            target = getattr(message, field.name)
            for _ in range(draw(st.integers(0, 3))):
                value = value_of(draw, field)
                target.add().CopyFrom(value) if isinstance(value, Message) else target.append(value)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            getattr(message, field.name).CopyFrom(value_of(draw, field))
        else:
            setattr(message, field.name, value_of(draw, field))
    return message


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize(("service", "method"), METHODS, ids=[method.name for _, method in METHODS])
async def test_nonsense_is_answered_and_never_a_fault_of_ours(
    channel: grpc.aio.Channel, keys: Keyring, service: str, method: Any, data: st.DataObject
) -> None:
    request = filled(data.draw, new_message(method.input_type))
    call: Any = channel.unary_unary(
        f"/{service}/{method.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )
    roles = data.draw(st.sampled_from([("hr_admin",), (), ("manager",), ("auditor", "operator")]))
    principal = person(new_id(), *roles)
    answered = call(request, metadata=keys.as_user(principal), timeout=20.0)
    code = await answered.code()
    assert code not in OURS, (code, await answered.details(), request)
