"""Fixtures of the tests of scoring: the real service in this process on a real database, its neighbours faked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import pytest
from joserfc.jwk import OKPKey

from protos.scoring.v1 import scoring_pb2, scoring_pb2_grpc
from services.runtime.clock import new_id
from services.runtime.database import Database
from services.runtime.eventlog import Wake
from services.runtime.identity import Grant, Principal, TokenSigner, TokenVerifier
from services.runtime.serve import build_server, open_channel
from services.scoring.__main__ import compose
from services.scoring.domain.form import Answer, Inputs
from services.scoring.domain.model import CycleRules, GoalsByEmployee, Page, Subject

SIGNERS = ("gateway", "worker", "reviews")
FORM: Mapping[str, Any] = {
    "form_version": 1,
    "name": "Staff",
    "sections": [
        {
            "key": "work",
            "name": "Work",
            "weight": "100",
            "counts": "score",
            "indicators": [
                {
                    "key": "quality",
                    "name": "Quality",
                    "kind": "qualitative",
                    "weight": "100",
                    "question": "number",
                    "basis": "percent",
                }
            ],
        }
    ],
    "raters": {"self": "0", "manager": "70", "peer": "30"},
    "missing_relation": "renormalise",
    "anonymity": {},
    "ceiling": "120",
    "rounding": {"places": 2, "mode": "half_up"},
}


@dataclass
class Callers:
    """Tokens of whoever a test speaks as."""

    signers: dict[str, TokenSigner]
    verifier: TokenVerifier = field(repr=False)

    def service(self, name: str, tenant_id: UUID) -> dict[str, Any]:
        """Call options of a service."""
        return _options(self.signers[name].for_service(tenant_id))

    def user(self, tenant_id: UUID, employee_id: UUID, *grants: Grant) -> dict[str, Any]:
        """Call options of an employee with roles."""
        principal = Principal(tenant_id, "user", "user", employee_id, (Grant("employee"), *grants))
        return _options(self.signers["gateway"].for_user(principal))


def _options(token: str) -> dict[str, Any]:
    return {"metadata": (("authorization", f"Bearer {token}"),), "timeout": 25.0}


@dataclass
class Neighbours:
    """Reviews and goals as scoring sees them: cycles by id."""

    cycles: dict[UUID, tuple[CycleRules, Mapping[str, Mapping[str, Any]], list[Subject]]] = field(default_factory=dict)
    goals: GoalsByEmployee = field(default_factory=dict)

    async def page(self, tenant_id: UUID, cycle_id: UUID, after: UUID | None, size: int) -> Page:
        """The next participants by id."""
        rules, forms, subjects = self.cycles[cycle_id]
        ahead = [each for each in subjects if after is None or each.participant_id > after]
        return Page(rules, forms, tuple(ahead[:size]), len(ahead) <= size)

    async def rules(self, tenant_id: UUID, cycle_id: UUID) -> CycleRules:
        """The rules alone."""
        return self.cycles[cycle_id][0]

    async def attainments(self, tenant_id: UUID, freeze_id: str, employee_ids: Sequence[UUID]) -> GoalsByEmployee:
        """The goals of these people."""
        return {employee: self.goals[employee] for employee in employee_ids if employee in self.goals}


@dataclass
class Company:
    """A tenant with one cycle, and how to speak as its people."""

    scoring: scoring_pb2_grpc.ScoringServiceAsyncStub
    callers: Callers
    neighbours: Neighbours
    tenant_id: UUID = field(default_factory=uuid4)
    cycle_id: UUID = field(default_factory=new_id)
    review_stage: UUID = field(default_factory=new_id)
    calibration_stage: UUID = field(default_factory=new_id)
    release_stage: UUID = field(default_factory=new_id)
    owner_id: UUID = field(default_factory=new_id)
    manager_id: UUID = field(default_factory=new_id)

    @property
    def hr(self) -> dict[str, Any]:
        """Call options of the HR administrator who owns the cycle."""
        return self.callers.user(self.tenant_id, self.owner_id, Grant("hr_admin"))

    @property
    def worker(self) -> dict[str, Any]:
        """Call options of the worker."""
        return self.callers.service("worker", self.tenant_id)

    def as_employee(self, employee_id: UUID, *grants: Grant) -> dict[str, Any]:
        """Call options of an employee."""
        return self.callers.user(self.tenant_id, employee_id, *grants)

    def set_cycle(self, subjects: Sequence[Subject], form: Mapping[str, Any] = FORM, **rules: Any) -> None:
        """Make the cycle's people and rules known to the neighbours."""
        known = CycleRules(self.cycle_id, "2026 H2", owner_id=self.owner_id, **rules)
        ordered = sorted(subjects, key=lambda each: each.participant_id)
        self.neighbours.cycles[self.cycle_id] = (known, {"staff": form}, ordered)

    def subject(self, *ratings: tuple[str, int], path: tuple[UUID, ...] = (), **facts: Any) -> Subject:
        """A participant with ratings of their quality by relation."""
        answers = tuple(
            Answer("work/quality", relation, f"{relation}{index}", Fraction(value))
            for index, (relation, value) in enumerate(ratings)
        )
        department = {"department_path": path, "department_name": "/".join("ABCDE"[: len(path)])}
        known = {"manager_chain": (self.manager_id,), **department, **facts}
        return Subject(new_id(), new_id(), "staff", Inputs(answers=answers), **known)

    async def compute(self, epoch: int = 1, size: int = 0) -> list[scoring_pb2.ComputeScoresResponse]:
        """Score all pages as the worker does."""
        pages: list[scoring_pb2.ComputeScoresResponse] = []
        after = ""
        while not pages or not pages[-1].last:
            request = scoring_pb2.ComputeScoresRequest(
                cycle_id=str(self.cycle_id),
                stage_id=str(self.review_stage),
                epoch=epoch,
                freeze_id="f",
                after_participant_id=after,
                page_size=size,
            )
            pages.append(await self.scoring.ComputeScores(request, **self.worker))
            after = pages[-1].last_participant_id
        return pages

    async def open_sessions(self, epoch: int = 1) -> list[scoring_pb2.OpenedSession]:
        """Open the sessions as the worker does."""
        request = scoring_pb2.OpenSessionsRequest(
            cycle_id=str(self.cycle_id), stage_id=str(self.calibration_stage), epoch=epoch
        )
        return list((await self.scoring.OpenSessions(request, **self.worker)).sessions)

    async def release(self) -> scoring_pb2.ReleaseResultsResponse:
        """Release as the worker does."""
        request = scoring_pb2.ReleaseResultsRequest(
            cycle_id=str(self.cycle_id), stage_id=str(self.release_stage), epoch=1
        )
        return await self.scoring.ReleaseResults(request, **self.worker)

    async def result(self, subject: Subject, options: dict[str, Any]) -> scoring_pb2.Result:
        """The latest result of a participant, as somebody sees it."""
        request = scoring_pb2.GetResultRequest(participant_id=str(subject.participant_id))
        return (await self.scoring.GetResult(request, **options)).result


@pytest.fixture(scope="session")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Callers:
    """Keys of the processes that call scoring."""
    private, public = tmp_path_factory.mktemp("private"), tmp_path_factory.mktemp("public")
    for name in SIGNERS:
        key = OKPKey.generate_key("Ed25519")
        (private / f"{name}.pem").write_bytes(key.as_pem(private=True))
        (public / f"{name}-1.pem").write_bytes(key.as_pem(private=False))
    signers = {name: TokenSigner(name, private / f"{name}.pem") for name in SIGNERS}
    return Callers(signers, TokenVerifier(public))


@pytest.fixture(scope="module")
def neighbours() -> Neighbours:
    """Reviews and goals."""
    return Neighbours()


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    """The pools of scoring."""
    return service_database("scoring")


@pytest.fixture(scope="module")
async def scoring(
    database: Database, callers: Callers, neighbours: Neighbours
) -> AsyncIterator[scoring_pb2_grpc.ScoringServiceAsyncStub]:
    """A stub of the service, served in this process."""
    service = compose(database, Wake("", "scoring"), neighbours, neighbours)
    server, _ = build_server(service, callers.verifier)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        yield scoring_pb2_grpc.ScoringServiceStub(channel)
    await server.stop(None)


@pytest.fixture
def company(scoring: scoring_pb2_grpc.ScoringServiceAsyncStub, callers: Callers, neighbours: Neighbours) -> Company:
    """A new company with an empty cycle."""
    return Company(scoring, callers, neighbours)
