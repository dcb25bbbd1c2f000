"""Templates, cycles and actuals on a real database: from YAML to forms, stages, findings and values."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from protos.reviews.v1 import cycles_pb2, tasks_pb2, templates_pb2
from services.reviews.__main__ import opening
from services.reviews.convert import actuals as convert_actuals
from services.reviews.convert import cycle_definition as convert_cycles
from services.reviews.convert import templates as convert_templates
from services.reviews.convert.template_source import read_source
from services.reviews.domain.bulk import FrozenMember
from services.reviews.domain.errors import (
    CycleDefinitionInvalid,
    CycleStateInvalid,
    EtagMismatch,
    TemplateAlreadyPublished,
    TemplateInvalid,
)
from services.reviews.domain.model import CycleState, StageState
from services.reviews.tables import form, participant, provider
from services.reviews.usecases import actuals, templates
from services.reviews.usecases.cycle_definition import CycleDefiner, DefinedCycle, create_cycle
from services.reviews.usecases.enrol import EnrolPage, FinishEnrolment, enrol_page, finish_enrolment
from services.reviews.usecases.preflight import Preflight, Validated, validate_cycle
from services.reviews.usecases.readings import get_scoring_rules
from services.runtime.database import Database
from services.runtime.identity import Grant, Principal
from tests.reviews.companies import Company, CompiledHere
from tests.reviews.launches import COMPANY, KPI, MBO, OKR, OWNER, QUARTER, RESEARCH, SALES, SAMPLES
from tests.reviews.worlds import World


class Desk:
    """One tenant's HR at work, through convert, the step before the transaction, and the use case."""

    def __init__(self, database: Database) -> None:
        self.world = World(database, owner=OWNER)
        self.company = Company()
        self.formulas = CompiledHere()
        self.reading = opening(database)

    async def apply(self, source: str, *, publish: bool = True, etag: str = "") -> templates.Applied:
        request = templates_pb2.ApplyTemplateRequest(source=source, publish=publish, etag=etag)
        command = convert_templates.apply_template(request)
        command = await templates.compile_formulas(self.formulas)(self.world.hr, command)
        applied: templates.Applied = await self.world.run(templates.apply_template, command, self.world.hr)
        assert convert_templates.apply_template_reply(applied).template.name == applied.template.name
        return applied

    async def create(self, **fields: Any) -> DefinedCycle:
        facts: dict[str, Any] = {
            "name": "2026 Q3",
            "kind": "quarter",
            "period_start": "2026-07-01",
            "period_end": "2026-09-30",
            "template": "业务岗KPI",
            "population": cycles_pb2.CyclePopulation(everyone=True),
            "forms": [
                cycles_pb2.FormRule(department="Sales", template="业务岗KPI"),
                cycles_pb2.FormRule(post="developer", template="研发岗OKR+KPI"),
                cycles_pb2.FormRule(template="支持岗MBO"),
            ],
        }
        command = convert_cycles.create_cycle(cycles_pb2.CreateCycleRequest(**(facts | fields)))
        command = await CycleDefiner(self.company, self.reading).prepare(self.world.hr, command)
        defined: DefinedCycle = await self.world.run(create_cycle, command, self.world.hr)
        self.world.cycle_id = defined.cycle.id
        return defined

    async def validate(self, language: str = "en") -> Validated:
        request = cycles_pb2.ValidateCycleRequest(cycle_id=str(self.world.cycle_id), language=language)
        command = convert_cycles.validate_cycle(request)
        command = await Preflight(self.company, self.formulas, self.reading).prepare(self.world.hr, command)
        validated: Validated = await self.world.run(validate_cycle, command, self.world.hr)
        return validated

    async def enrol(self) -> None:
        """What launch and the worker do: state, then pages."""
        await self.world.execute(
            "UPDATE cycle SET state = 'launching', launched_at = now() WHERE tenant_id = :tenant_id AND id = :cycle_id"
        )
        people = [self.frozen(place) for place in range(len(self.company.members_now))]
        await self.world.run(enrol_page, EnrolPage(self.world.cycle_id, people))
        await self.world.run(finish_enrolment, FinishEnrolment(self.world.cycle_id, len(people)))

    def frozen(self, place: int) -> FrozenMember:
        members = self.company.members_now
        return FrozenMember(
            employee_id=UUID(bytes=members.ids[place]),
            code=members.codes[place],
            post=members.posts[place],
            level="P5",
            department_path=[COMPANY, SALES if place % 2 else RESEARCH],
            department_name=members.department_names[place],
            department_head_id=OWNER,
            manager_chain=[OWNER] if place else [],
            group_ids=[],
            hired_on=None,
            problem=members.problems[place],
        )

    async def put(self, who: Principal, *values: tasks_pb2.Actual, reason: str = "") -> actuals.PutOutcome:
        cycle_id = str(self.world.cycle_id)
        request = tasks_pb2.PutActualsRequest(cycle_id=cycle_id, actuals=values, reason=reason)
        outcome: actuals.PutOutcome = await self.world.run(
            actuals.put_actuals, convert_actuals.put_actuals(request), who
        )
        return outcome

    async def load(self, content: str, *, dry_run: bool = False) -> actuals.PutOutcome:
        request = tasks_pb2.ImportActualsRequest(
            cycle_id=str(self.world.cycle_id), content=content.encode(), format="csv", dry_run=dry_run
        )
        outcome: actuals.PutOutcome = await self.world.run(
            actuals.import_actuals, convert_actuals.import_actuals(request), self.world.hr
        )
        return outcome

    async def values(self, who: Principal, *, missing: bool = False) -> dict[tuple[str, str], str]:
        request = tasks_pb2.ListActualsRequest(cycle_id=str(self.world.cycle_id), missing=missing, page_size=500)
        page = await self.world.run(actuals.list_actuals, convert_actuals.list_actuals(request), who)
        reply = convert_actuals.list_actuals_reply(page, 500)
        return {(each.employee_code, each.item): each.value for each in reply.actuals}

    def employee(self, code: str) -> Principal:
        return Principal(self.world.tenant_id, "user", "user", self.company.id_of(code), (Grant("employee"),))


@pytest.fixture
async def desk(service_database: Callable[[str], Database]) -> Desk:
    desk = Desk(service_database("reviews"))
    for source in (KPI, OKR, MBO):
        await desk.apply(source)
    return desk


async def test_a_template_has_versions_and_a_published_one_never_changes(desk: Desk) -> None:
    same = await desk.apply(KPI)
    assert (same.version.version, same.template.published_version) == (1, 1)
    changed = await desk.apply(KPI.replace("target: 1000", "target: 1200"), publish=False)
    assert (changed.version.version, changed.version.published_at, changed.template.published_version) == (2, None, 1)
    again = await desk.apply(KPI.replace("target: 1000", "target: 1300"), publish=False)
    assert again.version.version == 2, "a draft is written over"
    publish = templates.PublishTemplate(again.template.id)
    published = await desk.world.run(templates.publish_template, publish, desk.world.hr)
    assert published.template.published_version == 2
    with pytest.raises(TemplateAlreadyPublished):
        await desk.world.run(templates.publish_template, publish, desk.world.hr)
    first = await desk.world.run(templates.get_template, templates.GetTemplate(None, "业务岗KPI", 1), desk.world.hr)
    assert first.version.body["sections"][0]["indicators"][0]["target"] == 1000
    versions = await desk.world.run(
        templates.list_versions, templates.PageVersions(again.template.id, None, 10), desk.world.hr
    )
    assert [each.version for each in versions] == [2, 1]


async def test_a_copy_is_a_draft_and_shares_the_form_only_when_it_is_equal(desk: Desk) -> None:
    source = await desk.world.run(templates.get_template, templates.GetTemplate(None, "支持岗MBO"), desk.world.hr)
    copy = templates.CopyTemplate(source.template.id, 0, "Copy")
    copied = await desk.world.run(templates.copy_template, copy, desk.world.hr)
    assert copied.version.body["name"] == "Copy"
    assert copied.template.published_version == 0


async def test_two_who_apply_a_new_template_at_once_make_one(desk: Desk) -> None:
    source = MBO.replace("name: 支持岗MBO", "name: Both at once", 1)
    first, second = await asyncio.gather(desk.apply(source), desk.apply(source))
    assert first.template.id == second.template.id
    assert {first.version.version, second.version.version} == {1}


async def test_an_etag_guards_a_template(desk: Desk) -> None:
    with pytest.raises(EtagMismatch):
        await desk.apply(KPI, etag="77")


async def test_faults_are_refused_with_line_and_remedy(desk: Desk) -> None:
    broken = KPI.replace("完成值/目标值*100)", "完成值/目标值*权重)").replace("weight: 80", "weight: 81")
    with pytest.raises(TemplateInvalid) as caught:
        await desk.apply(broken)
    codes = {code for _, code, _ in caught.value.violations}
    assert codes == {"SECTION_WEIGHTS_NOT_100", "FORMULA_APPLIES_WEIGHT_TWICE"}
    line = broken[: broken.index("formula: =IF")].count("\n") + 1
    assert any(message.startswith(f"line {line}: ") for _, _, message in caught.value.violations)


async def test_a_cycle_is_created_checked_and_its_people_get_their_forms(desk: Desk) -> None:
    defined = await desk.create()
    assert [stage.key for stage in defined.stages][:3] == ["open", "self_review", "data_entry"]
    assert all(stage.due_at for stage in defined.stages)
    async with desk.world.work() as work:
        calendar = await work.cycles.calendar(defined.cycle)
        assert len(calendar.days) > 100
        forms_of_tenant = select(form.c.id).where(form.c.tenant_id == work.tenant_id)
        assert len((await work.connection.execute(forms_of_tenant)).all()) == 3, "one row a form, whoever gets it"
    validated = await desk.validate()
    assert validated.report.findings == ()
    assert validated.cycle.state is CycleState.VALIDATED
    reply = convert_cycles.validate_cycle_reply(validated)
    assert (reply.state, reply.population) == (cycles_pb2.CYCLE_STATE_VALIDATED, 30)

    await desk.enrol()
    with pytest.raises(CycleStateInvalid):
        await desk.validate()
    async with desk.world.work() as work:
        query = select(participant.c.code, participant.c.form_id).where(participant.c.tenant_id == work.tenant_id)
        forms = {row.code: row.form_id for row in await work.connection.execute(query)}
        items = select(provider.c.item).where(provider.c.tenant_id == work.tenant_id)
        owed = set((await work.connection.execute(items)).scalars())
    sales, research, _ = (rule.form_id for rule in defined.cycle.forms)
    assert forms["E000001"] == sales
    assert forms["E000002"] == research
    assert {"performance/revenue", "delivery/on_time"} <= owed
    assert "goals/okr" not in owed


async def test_findings_are_told_in_the_language_asked_for(desk: Desk) -> None:
    await desk.create(forms=[cycles_pb2.FormRule(department="Sales", template="业务岗KPI")])
    english = await desk.validate()
    assert len(english.report.people) == 15
    assert english.cycle.state is CycleState.VALIDATED, "person findings do not block"
    reply = convert_cycles.validate_cycle_reply(await desk.validate("zh-CN"))
    assert "没有考评表规则匹配 E000000" in reply.findings[0].message


async def test_errors_make_a_draft_of_it_again(desk: Desk) -> None:
    await desk.create()
    assert (await desk.validate()).cycle.state is CycleState.VALIDATED
    desk.company.edition_now = "basic"
    refused = await desk.validate()
    assert {finding.code for finding in refused.report.errors} == {"EDITION_REQUIRED"}
    assert refused.cycle.state is CycleState.DRAFT


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"template": "nothing"}, {"REFERENCE_UNKNOWN"}),
        ({"kind": "quartr"}, {"UNKNOWN_VALUE"}),
        ({"name": ""}, {"NAME_MISSING"}),
        ({"period_start": "1.7.2026"}, {"WRONG_FORMAT"}),
        ({"period_end": "2026-06-30"}, {"PERIOD_INVALID"}),
        ({"owner_id": "E999999", "appeal_owner": "E888888"}, {"REFERENCE_UNKNOWN"}),
        ({"population": cycles_pb2.CyclePopulation(departments=["Moon"], groups=["g"])}, {"REFERENCE_UNKNOWN"}),
        ({"overrides_json": "{"}, {"OVERRIDE_INVALID"}),
        ({"overrides_json": "[]"}, {"WRONG_TYPE"}),
        ({"overrides_json": '{"self_review": {"length": "soon"}}'}, {"WRONG_FORMAT"}),
        ({"overrides_json": '{"self_reviw": {"length": "1 day"}}'}, {"OVERRIDE_UNKNOWN_STAGE"}),
        ({"overrides_json": '{"self_review": {"after": ["open"]}}'}, {"UNKNOWN_KEY"}),
        ({"overrides_json": '{"self_review": {"opens_at": "2026-02-31T00:00:00Z"}}'}, {"OVERRIDE_INVALID"}),
    ],
)
async def test_a_cycle_that_cannot_be_understood_is_refused_with_every_field(
    desk: Desk, fields: dict[str, Any], codes: set[str]
) -> None:
    with pytest.raises(CycleDefinitionInvalid) as caught:
        await desk.create(**fields)
    assert {code for _, code, _ in caught.value.violations} == codes


async def test_overrides_and_a_start_move_the_windows(desk: Desk) -> None:
    start = datetime(2027, 1, 4, 1, 0, tzinfo=UTC)
    request = cycles_pb2.CreateCycleRequest()
    request.start_time.FromDatetime(start)
    overrides = '{"self_review": {"length": "2 business days", "reminders": []}}'
    defined = await desk.create(start_time=request.start_time, overrides_json=overrides)
    stages = {stage.key: stage for stage in defined.stages}
    assert stages["open"].open_at == start
    assert stages["self_review"].due_at == datetime(2027, 1, 6, 1, 0, 5, tzinfo=UTC)
    assert stages["self_review"].definition.reminders == ()


async def test_people_whom_a_template_names_by_code_are_ids_in_the_cycle(desk: Desk) -> None:
    named = KPI.replace("facilitator: owner", "facilitator: E000002").replace(
        "data_provider: hr", "data_provider: E000003"
    )
    await desk.apply(named.replace("    length: 40 seconds", "    escalation: {to: E000004}\n    length: 40 seconds"))
    defined = await desk.create(forms=[])
    stages = {stage.key: stage.definition for stage in defined.stages}
    assert stages["calibration"].facilitator == str(desk.company.id_of("E000002"))
    escalation = stages["manager_review"].escalation
    assert escalation is not None
    assert escalation.to == str(desk.company.id_of("E000004"))
    assert defined.cycle.forms[0].providers["performance/collection"] == str(desk.company.id_of("E000003"))
    assert (await desk.validate()).report.errors == ()
    rules = await desk.world.run(get_scoring_rules, desk.world.cycle_id)
    assert rules.template["calibration"]["facilitator"] == str(desk.company.id_of("E000002"))


async def test_unknown_people_in_a_template_are_named(desk: Desk) -> None:
    await desk.apply(KPI.replace("facilitator: owner", "facilitator: E999999"))
    with pytest.raises(CycleDefinitionInvalid, match="E999999 is not known"):
        await desk.create(forms=[])


SMALL = (SAMPLES / "template-small.yaml").read_text(encoding="utf-8")
SAMPLE_CYCLES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(SAMPLES.glob("cycle-*.yaml"))}


@pytest.mark.parametrize("name", SAMPLE_CYCLES)
async def test_sample_cycles_pass_the_check(desk: Desk, name: str) -> None:
    await desk.apply(QUARTER)
    await desk.apply(SMALL)
    desk.company.departments = {
        "同频科技/销售中心": SALES,
        "同频科技/研发中心": RESEARCH,
        "同频科技/职能中心": UUID(int=103),
    }
    written, faults = read_source(SAMPLE_CYCLES[name])
    document: Any = written.document
    assert faults == ()
    defined = await desk.create(**_fields({**document, "population": {"everyone": True}}))
    assert len(defined.stages) == (4 if name == "cycle-small" else 9)
    kinds = {finding.code for finding in (await desk.validate()).report.findings}
    assert kinds <= {"RULE_NEVER_MATCHES"}


def _fields(document: dict[str, Any]) -> dict[str, Any]:
    """The REST body as the request that the gateway makes of it."""
    assert "start" not in document, "a sample that names its start is refused from that day on"
    return {
        "name": document["name"],
        "kind": document["period"]["kind"],
        "period_start": document["period"]["start"],
        "period_end": document["period"]["end"],
        "template": document["template"],
        "forms": [
            cycles_pb2.FormRule(template=rule["template"], **rule["match"]) for rule in document.get("forms", ())
        ],
        "population": cycles_pb2.CyclePopulation(**document["population"]),
        "overrides_json": json.dumps(document.get("overrides", {})),
    }


async def running(desk: Desk) -> None:
    await desk.create()
    await desk.enrol()
    await desk.world.turn()
    async with desk.world.work() as work:
        entering = await work.stages.by_key(desk.world.cycle_id, "data_entry")
        assert entering.state in (StageState.PLANNED, StageState.OPENING, StageState.OPEN)


def value(code: str, item: str, written: str) -> tasks_pb2.Actual:
    return tasks_pb2.Actual(employee_code=code, item=item, value=written)


async def set_stage(desk: Desk, state: str) -> None:
    await desk.world.execute(
        "UPDATE stage SET state = :state WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id AND key = 'data_entry'",
        state=state,
    )


async def test_values_are_taken_from_their_provider_until_the_stage_closes(desk: Desk) -> None:
    await running(desk)
    await set_stage(desk, "open")
    manager, stranger = desk.employee("E000000"), desk.employee("E000009")
    revenue = value("E000001", "performance/revenue", "1,100")
    assert (await desk.put(manager, revenue)).stored == 1
    assert (await desk.put(manager, revenue)).stored == 1, "an equal value is no new version"
    refused = await desk.put(
        stranger,
        revenue,
        value("E777777", "performance/revenue", "1"),
        value("E000001", "performance/charm", "1"),
    )
    assert [failure.code for failure in refused.failed] == ["NOT_PROVIDER", "PARTICIPANT_UNKNOWN", "ITEM_UNKNOWN"]
    assert (await desk.values(desk.employee("E000001")))[("E000001", "performance/revenue")] == "1100"
    assert await desk.values(stranger) == {key: "" for key in await desk.values(stranger)}, (
        "nobody sees another's values but their line and HR"
    )
    assert {code for code, _ in await desk.values(stranger)} == {"E000009"}

    await set_stage(desk, "closed")
    locked = await desk.put(manager, value("E000001", "performance/revenue", "1200"))
    assert [failure.code for failure in locked.failed] == ["LOCKED"]
    mute = await desk.put(desk.world.hr, value("E000001", "performance/revenue", "1200"))
    assert [failure.code for failure in mute.failed] == ["REASON_REQUIRED"]
    corrected = await desk.put(desk.world.hr, value("E000001", "performance/revenue", "1200"), reason="invoice late")
    assert corrected.stored == 1
    kinds = await desk.world.rows("SELECT kind FROM event WHERE tenant_id = :tenant_id ORDER BY id")
    told = [kind for (kind,) in kinds if kind.startswith("reviews.actual")]
    assert told == ["reviews.actuals_entered", "reviews.actual_corrected"]


async def test_a_file_is_loaded_and_every_bad_cell_is_reported(desk: Desk) -> None:
    await running(desk)
    await set_stage(desk, "open")
    header = "工号,姓名,销售额,回款率,客户有效投诉,奇怪"
    sheet = f"{header}\nE000001,甲,1100,96%,0,1\nE000003,乙,many,0.9,1.5,\nE555555,丙,1,,,\n"
    dry = await desk.load(sheet, dry_run=True)
    assert (dry.stored, dry.total) == (4, 3)
    assert await desk.values(desk.world.hr, missing=True) == await desk.values(desk.world.hr)
    loaded = await desk.load(sheet)
    assert [(failure.index, failure.code, failure.column) for failure in loaded.failed] == [
        (1, "COLUMN_UNKNOWN", "奇怪"),
        (3, "VALUE_INVALID", "销售额"),
        (3, "NOT_A_COUNT", "客户有效投诉"),
        (4, "PARTICIPANT_UNKNOWN", "销售额"),
    ]
    values = await desk.values(desk.world.hr)
    assert values[("E000001", "performance/collection")] == "0.96"
    long = await desk.load("code,item,value\nE000003,performance/revenue,900\n")
    assert (long.stored, long.failed) == (1, ())
