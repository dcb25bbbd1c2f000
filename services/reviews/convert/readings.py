"""Bulk reads for scoring, notify and the reconciler: proto ↔ domain."""

from uuid import UUID

from protos.reviews.v1 import clockwork_pb2, tasks_pb2
from services.reviews.convert.clockwork import optional_id
from services.reviews.convert.templates import read_id, read_token, timestamp, write_token
from services.reviews.domain.answers import answers_of
from services.reviews.domain.bulk import CHUNK
from services.reviews.domain.form_body import canonical_json, plain_number
from services.reviews.domain.model import Actual, ActualState
from services.reviews.domain.reading import RatersAnswers, ScoringInput, ScoringRules
from services.reviews.usecases.readings import InputsPage, PageInputs, PageRecipients, RecipientsPage
from services.reviews.usecases.reconcile import LivePage, PageLive


def list_scoring_inputs(request: clockwork_pb2.ListScoringInputsRequest) -> PageInputs:
    after = optional_id(request.after_participant_id, "after_participant_id")
    return PageInputs(read_id(request.cycle_id, "cycle_id"), after, bulk_size(request.page_size))


def list_scoring_inputs_reply(page: InputsPage) -> clockwork_pb2.ListScoringInputsResponse:
    return clockwork_pb2.ListScoringInputsResponse(inputs=[_input(each) for each in page.inputs], last=page.last)


def _input(found: ScoringInput) -> clockwork_pb2.ScoringInput:
    return clockwork_pb2.ScoringInput(
        participant_id=str(found.participant_id),
        employee_id=str(found.employee_id),
        form_id=str(found.form_id or ""),
        department_path="/".join(str(each) for each in found.department_path),
        department_name=found.department_name,
        manager_chain=[str(each) for each in found.manager_chain],
        answers=[_answers(each) for each in found.answers],
        actuals=[_actual(each) for each in found.actuals],
        department_head=str(found.department_head_id or ""),
    )


def _answers(given: RatersAnswers) -> clockwork_pb2.RaterAnswers:
    return clockwork_pb2.RaterAnswers(
        relation=given.relation,
        rater_id=str(given.rater_id or ""),
        answers=[
            tasks_pb2.Answer(item=each.item, value=each.value, text=each.text, choices=each.choices)
            for each in answers_of(given.answers)
        ],
    )


def _actual(actual: Actual) -> tasks_pb2.Actual:
    return tasks_pb2.Actual(
        participant_id=str(actual.participant_id),
        item=actual.item,
        value="" if actual.value is None else plain_number(actual.value),
        author_id=str(actual.entered_by or ""),
        update_time=timestamp(actual.create_time),
        locked=actual.state is ActualState.LOCKED,
        provider_id=str(actual.provider_id or ""),
        source=actual.source,
    )


def get_scoring_rules(request: clockwork_pb2.GetScoringRulesRequest) -> UUID:
    return read_id(request.cycle_id, "cycle_id")


def get_scoring_rules_reply(rules: ScoringRules) -> clockwork_pb2.GetScoringRulesResponse:
    return clockwork_pb2.GetScoringRulesResponse(
        template_json=canonical_json(rules.template).decode(),
        forms=[
            clockwork_pb2.FormDefinition(form_id=str(form.id), definition_json=canonical_json(form.body).decode())
            for form in rules.forms
        ],
        owner_id=str(rules.cycle.owner_id),
        period_start=rules.cycle.period.start.isoformat(),
        period_end=rules.cycle.period.end.isoformat(),
        cycle_name=rules.cycle.name,
    )


def list_recipients(request: clockwork_pb2.ListRecipientsRequest) -> PageRecipients:
    return PageRecipients(
        stage_id=read_id(request.stage_id, "stage_id"),
        first=optional_id(request.first_task_id, "first_task_id"),
        last=optional_id(request.last_task_id, "last_task_id"),
        reminder=request.reminder,
        size=bulk_size(request.page_size),
    )


def list_recipients_reply(page: RecipientsPage) -> clockwork_pb2.ListRecipientsResponse:
    return clockwork_pb2.ListRecipientsResponse(
        recipients=[
            clockwork_pb2.Recipient(
                task_id=str(each.task_id),
                employee_id=str(each.employee_id),
                about_employee_id=str(each.about_employee_id or ""),
                kind=each.kind,
                due_at=timestamp(each.due_at),
            )
            for each in page.recipients
        ],
        last=page.last,
        cycle_name=page.cycle.name,
        stage_name=page.stage.definition.name or page.stage.key,
        time_zone=page.cycle.zone,
    )


def list_live_cycles(request: clockwork_pb2.ListLiveCyclesRequest) -> PageLive:
    return page_live(request.page_token, request.page_size)


def list_live_cycles_reply(page: LivePage) -> clockwork_pb2.ListLiveCyclesResponse:
    return clockwork_pb2.ListLiveCyclesResponse(
        cycles=[clockwork_pb2.LiveCycle(tenant_id=str(tenant), cycle_id=str(cycle)) for tenant, cycle in page.rows],
        next_page_token=write_token(*(str(each) for each in page.next)) if page.next else "",
    )


def page_live(page_token: str, page_size: int) -> PageLive:
    token = read_token(page_token)
    after = (read_id(token[0], "page_token"), read_id(token[-1], "page_token")) if token else None
    return PageLive(after, bulk_size(page_size))


def bulk_size(asked: int) -> int:
    """At most, and by default, 5 000."""
    return min(asked, CHUNK) if asked > 0 else CHUNK
