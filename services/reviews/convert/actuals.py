"""Actual values: proto ↔ domain."""

from functools import partial
from uuid import UUID

from protos.reviews.v1 import tasks_pb2
from services.reviews.convert.sheets import read_sheet
from services.reviews.convert.templates import id_if_one, page_size, read_id, read_token, timestamp, write_token
from services.reviews.domain.actuals import Entry, Failure
from services.reviews.domain.errors import Invalid
from services.reviews.domain.form_body import plain_number
from services.reviews.domain.model import Actual
from services.reviews.usecases.actuals import ActualsPage, ImportActuals, ListActuals, PutActuals, PutOutcome

MOST_VALUES = 5_000
MOST_EVIDENCE = 20
LONGEST = 2_000


def list_actuals(request: tasks_pb2.ListActualsRequest) -> ListActuals:
    after = read_token(request.page_token)
    if after is not None and len(after) != 2:
        raise Invalid("page_token is not one that was given out", field="page_token")
    return ListActuals(
        cycle_id=read_id(request.cycle_id, "cycle_id"),
        participant_id=read_id(request.participant_id, "participant_id") if request.participant_id else None,
        missing=request.missing,
        after=(read_id(after[0], "page_token"), after[1]) if after else None,
        size=page_size(request.page_size),
    )


def list_actuals_reply(page: ActualsPage, size: int) -> tasks_pb2.ListActualsResponse:
    last = page.values[-1][0] if len(page.values) == size else None
    return tasks_pb2.ListActualsResponse(
        actuals=[actual_message(value, code, locked=page.locked) for value, code in page.values],
        next_page_token=write_token(str(last.participant_id), last.item) if last else "",
    )


def put_actuals(request: tasks_pb2.PutActualsRequest) -> PutActuals:
    if len(request.actuals) > MOST_VALUES:
        raise Invalid(f"at most {MOST_VALUES} values at once", field="actuals")
    entries = tuple(_entry(index, each) for index, each in enumerate(request.actuals))
    return PutActuals(read_id(request.cycle_id, "cycle_id"), entries, request.reason.strip())


def put_actuals_reply(outcome: PutOutcome) -> tasks_pb2.PutActualsResponse:
    return tasks_pb2.PutActualsResponse(failed=[_failure(failure) for failure in outcome.failed], stored=outcome.stored)


def import_actuals(request: tasks_pb2.ImportActualsRequest) -> ImportActuals:
    sheet = read_sheet(request.content, request.format.lower() or "csv")
    return ImportActuals(read_id(request.cycle_id, "cycle_id"), sheet, request.dry_run, request.reason.strip())


def import_actuals_reply(outcome: PutOutcome) -> tasks_pb2.ImportActualsResponse:
    return tasks_pb2.ImportActualsResponse(
        failed=[_failure(failure) for failure in outcome.failed], stored=outcome.stored, total=outcome.total
    )


def actual_message(actual: Actual, code: str = "", *, locked: bool = False) -> tasks_pb2.Actual:
    return tasks_pb2.Actual(
        participant_id=str(actual.participant_id),
        employee_code=code,
        item=actual.item,
        value="" if actual.value is None else plain_number(actual.value),
        evidence=[tasks_pb2.Evidence(**each) for each in actual.evidence],
        author_id=_text(actual.entered_by),
        update_time=timestamp(actual.create_time),
        locked=locked,
        provider_id=_text(actual.provider_id),
        source=actual.source,
    )


def _entry(index: int, each: tasks_pb2.Actual) -> Entry:
    at = partial(_pointer, index)
    if not (each.participant_id or each.employee_code):
        raise Invalid("name the participant or the employee's code", field=at("participant_id"))
    if each.participant_id and id_if_one(each.participant_id) is None:
        raise Invalid("participant_id is not an id", field=at("participant_id"))
    if len(each.evidence) > MOST_EVIDENCE:
        raise Invalid(f"at most {MOST_EVIDENCE} pieces of evidence", field=at("evidence"))
    for evidence in each.evidence:
        if not evidence.url.startswith(("https://", "http://")) or len(evidence.url) > LONGEST:
            raise Invalid("evidence is a link by http or https", field=at("evidence"))
    return Entry(
        index=index,
        item=each.item,
        value=each.value,
        participant_id=id_if_one(each.participant_id),
        code=each.employee_code,
        evidence=tuple({"name": one.name, "url": one.url, "sha256": one.sha256} for one in each.evidence),
    )


def _failure(failure: Failure) -> tasks_pb2.ItemOutcome:
    return tasks_pb2.ItemOutcome(
        index=failure.index, id=failure.id, code=failure.code, message=failure.message, column=failure.column
    )


def _pointer(index: int, field: str) -> str:
    return f"/actuals/{index}/{field}"


def _text(identifier: UUID | None) -> str:
    return str(identifier) if identifier else ""
