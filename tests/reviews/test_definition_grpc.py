"""Defining and checking a cycle by gRPC: reviews, people and scoring as they are, each on its own database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from joserfc.jwk import OKPKey

from protos.people.v1 import people_pb2, people_pb2_grpc
from protos.reviews.v1 import cycles_pb2, cycles_pb2_grpc, templates_pb2, templates_pb2_grpc
from protos.scoring.v1 import scoring_pb2_grpc
from services.people.__main__ import compose as compose_people
from services.people.settings import PeopleSettings
from services.reviews.__main__ import compose as compose_reviews
from services.reviews.clients import PeopleClient, ScoringClient
from services.runtime.database import Database
from services.runtime.errors import reason_of
from services.runtime.eventlog import Wake
from services.runtime.identity import Grant, Principal, TokenSigner, TokenVerifier
from services.runtime.serve import Service, build_server, open_channel
from services.scoring.policy import RPC_ACCESS as SCORING_ACCESS
from services.scoring.servicer import ScoringServicer
from tests.postgres import DatabaseUrls
from tests.reviews.launches import KPI, MBO, OKR

STAFF = """code,name,email,department,manager_code,post,hired_on
C001,Chair,c001@example.com,Acme,,chair,2015-01-05
S001,Sales head,s001@example.com,Acme/Sales,C001,head,2016-01-05
S002,Seller,s002@example.com,Acme/Sales,S001,seller,2017-01-05
S003,Seller,s003@example.com,Acme/Sales,S001,seller,2018-01-05
R001,Research head,r001@example.com,Acme/Research,C001,head,2016-01-05
R002,Developer,r002@example.com,Acme/Research,R001,developer,2017-01-05
L001,Lost,l001@example.com,Acme/Research,,developer,2017-01-05
L002,Lost,l002@example.com,Acme/Research,,developer,2017-01-05
"""


@dataclass
class Company:
    """A tenant and the stubs that its HR administrator uses."""

    cycles: cycles_pb2_grpc.CycleServiceAsyncStub
    templates: templates_pb2_grpc.TemplateServiceAsyncStub
    people: people_pb2_grpc.PeopleServiceAsyncStub
    keys: Keys
    tenant_id: UUID
    admin_id: UUID

    @property
    def hr(self) -> dict[str, Any]:
        """Call options of its HR administrator; a token is valid for a minute, so each call has its own."""
        return self._as(Grant("employee"), Grant("hr_admin"))

    @property
    def employee(self) -> dict[str, Any]:
        """Call options of the same person as an employee."""
        return self._as(Grant("employee"))

    def _as(self, *grants: Grant) -> dict[str, Any]:
        return self.keys.user(Principal(self.tenant_id, "user", "user", self.admin_id, grants))

    async def apply(self, source: str) -> templates_pb2.ApplyTemplateResponse:
        request = templates_pb2.ApplyTemplateRequest(request_id=str(uuid4()), source=source, publish=True)
        applied: templates_pb2.ApplyTemplateResponse = await self.templates.ApplyTemplate(request, **self.hr)
        return applied

    async def create(self, **fields: Any) -> cycles_pb2.Cycle:
        facts: dict[str, Any] = {
            "request_id": str(uuid4()),
            "name": "2026 Q3",
            "kind": "quarter",
            "period_start": "2026-07-01",
            "period_end": "2026-09-30",
            "template": "业务岗KPI",
            "population": cycles_pb2.CyclePopulation(everyone=True, exclude=["C001", "ADMIN"]),
            "forms": [
                cycles_pb2.FormRule(department="Acme/Sales", template="业务岗KPI"),
                cycles_pb2.FormRule(post="developer", template="研发岗OKR+KPI"),
                cycles_pb2.FormRule(template="支持岗MBO"),
            ],
        }
        request = cycles_pb2.CreateCycleRequest(**(facts | fields))
        created: cycles_pb2.CreateCycleResponse = await self.cycles.CreateCycle(request, **self.hr)
        return created.cycle

    async def validate(self, cycle_id: str, language: str = "en") -> cycles_pb2.ValidateCycleResponse:
        request = cycles_pb2.ValidateCycleRequest(request_id=str(uuid4()), cycle_id=cycle_id, language=language)
        reply: cycles_pb2.ValidateCycleResponse = await self.cycles.ValidateCycle(request, **self.hr)
        return reply


@dataclass
class Keys:
    """Who may sign, and the verifier that all services share."""

    signers: dict[str, TokenSigner]
    verifier: TokenVerifier

    def user(self, principal: Principal) -> dict[str, Any]:
        token = self.signers["gateway"].for_user(principal)
        return {"metadata": (("authorization", f"Bearer {token}"),), "timeout": 25.0}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    private, public = tmp_path_factory.mktemp("private"), tmp_path_factory.mktemp("public")
    for name in ("gateway", "reviews"):
        key = OKPKey.generate_key("Ed25519")
        (private / f"{name}.pem").write_bytes(key.as_pem(private=True))
        (public / f"{name}-1.pem").write_bytes(key.as_pem(private=False))
    signers = {name: TokenSigner(name, private / f"{name}.pem") for name in ("gateway", "reviews")}
    return Keys(signers, TokenVerifier(public))


@pytest.fixture(scope="module")
async def company(
    keys: Keys, service_database: Callable[[str], Database], database_urls: Callable[[str], DatabaseUrls]
) -> AsyncIterator[Company]:
    async with AsyncExitStack() as stack:

        async def serve(service: Service) -> grpc.aio.Channel:
            server, _ = build_server(service, keys.verifier)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            stack.push_async_callback(server.stop, None)
            return await stack.enter_async_context(open_channel(f"127.0.0.1:{port}"))

        people_channel = await serve(_people(service_database("people"), database_urls("people")))
        scoring_channel = await serve(_scoring())
        signer = keys.signers["reviews"]
        people = PeopleClient(people_pb2_grpc.PeopleServiceStub(people_channel), signer)
        scoring = ScoringClient(scoring_pb2_grpc.ScoringServiceStub(scoring_channel), signer)
        reviews = await serve(compose_reviews(service_database("reviews"), Wake("", "reviews"), people, scoring))
        yield await _company(keys, people_channel, reviews)


def _people(database: Database, urls: DatabaseUrls) -> Service:
    nowhere = Path()
    settings = PeopleSettings(
        port=0,
        database_url=urls.app,
        system_database_url=urls.system,
        identity_key_file=nowhere,
        identity_keys_dir=nowhere,
        directory_issuers=("directory",),
        installation_administrators=(),
    )
    return compose_people(database, settings, Wake("", "people"))


def _scoring() -> Service:
    """Only CheckFormulas is called, and it needs neither rows nor neighbours."""
    servicer: Any = ScoringServicer.__new__(ScoringServicer)
    return Service(
        registrations=((scoring_pb2_grpc.add_ScoringServiceServicer_to_server, servicer),), access=SCORING_ACCESS
    )


async def _company(keys: Keys, people_channel: grpc.aio.Channel, reviews: grpc.aio.Channel) -> Company:
    people = people_pb2_grpc.PeopleServiceStub(people_channel)
    installation = Principal(None, "installation", "installation", None, (Grant("installation_admin"),))
    request = people_pb2.CreateTenantRequest(request_id=str(uuid4()), name="Acme", admin_email="hr@example.com")
    created = await people.CreateTenant(request, **keys.user(installation))
    company = Company(
        cycles_pb2_grpc.CycleServiceStub(reviews),
        templates_pb2_grpc.TemplateServiceStub(reviews),
        people,
        keys,
        UUID(created.tenant.id),
        UUID(created.admin_employee_id),
    )
    load = people_pb2.ImportEmployeesRequest(
        request_id=str(uuid4()), content=STAFF.encode(), format=people_pb2.FILE_FORMAT_CSV
    )
    report = await people.ImportEmployees(load, **company.hr)
    assert report.created == STAFF.count("\n") - 1, report.errors
    for source in (KPI, OKR, MBO):
        await company.apply(source)
    return company


async def test_a_good_cycle_is_checked_against_the_real_company(company: Company) -> None:
    cycle = await company.create(appeal_owner="S001")
    assert cycle.stages[0].key == "open"
    assert cycle.time_zone == "Asia/Shanghai"
    reply = await company.validate(cycle.id)
    assert reply.population == 7
    found = {(finding.code, finding.severity) for finding in reply.findings}
    assert found == {
        ("NO_MANAGER", templates_pb2.SEVERITY_PERSON),
        ("GROUP_BELOW_MINIMUM", templates_pb2.SEVERITY_WARNING),
    }
    assert reply.state == cycles_pb2.CYCLE_STATE_VALIDATED
    lost = [finding.message for finding in reply.findings if finding.code == "NO_MANAGER"]
    assert sorted(lost) == ["L001 has no manager", "L002 has no manager"]


async def test_launch_refuses_what_the_check_found_and_goes_on_without_them(company: Company) -> None:
    cycle = await company.create()
    launch = cycles_pb2.LaunchCycleRequest(request_id=str(uuid4()), cycle_id=cycle.id, warnings_reason="small company")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await company.cycles.LaunchCycle(launch, **company.hr)
    assert reason_of(refused.value) == "CYCLE_HAS_ERRORS"
    launch.request_id = str(uuid4())
    launch.on_person_findings = cycles_pb2.ON_PERSON_FINDINGS_EXCLUDE
    launched = await company.cycles.LaunchCycle(launch, **company.hr)
    assert launched.cycle.state == cycles_pb2.CYCLE_STATE_LAUNCHING


async def test_a_formula_that_scoring_cannot_compile_is_refused(company: Company) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await company.apply(KPI.replace("完成值/目标值*100)", "完成直/目标值*100)"))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason_of(refused.value) == "TEMPLATE_INVALID"
    assert "是否" in str(refused.value.details()) or "did you mean 完成值" in str(refused.value.details())


async def test_templates_are_listed_and_read_and_only_hr_administrators_write_them(company: Company) -> None:
    listed = await company.templates.ListTemplates(templates_pb2.ListTemplatesRequest(page_size=2), **company.hr)
    more = templates_pb2.ListTemplatesRequest(page_size=2, page_token=listed.next_page_token)
    rest = await company.templates.ListTemplates(more, **company.hr)
    names = [each.name for each in (*listed.templates, *rest.templates)]
    assert sorted(names) == sorted(["业务岗KPI", "研发岗OKR+KPI", "支持岗MBO"])
    schema = await company.templates.GetTemplateSchema(templates_pb2.GetTemplateSchemaRequest(), **company.hr)
    assert '"$schema"' in schema.schema_json
    request = templates_pb2.ApplyTemplateRequest(request_id=str(uuid4()), source=KPI)
    with pytest.raises(grpc.aio.AioRpcError) as denied:
        await company.templates.ApplyTemplate(request, **company.employee)
    assert denied.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    "written",
    [
        {"population": cycles_pb2.CyclePopulation(departments=["Acme/Moon"])},
        {"appeal_owner": "X999"},
        {"template": "nothing"},
    ],
)
async def test_unknown_names_are_refused(company: Company, written: dict[str, Any]) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await company.create(**written)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "is not known" in str(refused.value.details())
