"""Fixtures of the tests of people: the real service in this process, on a real database, spoken to by gRPC."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from joserfc.jwk import OKPKey

from protos.people.v1 import people_pb2, people_pb2_grpc
from services.people.__main__ import compose
from services.people.settings import PeopleSettings
from services.runtime.database import Database
from services.runtime.eventlog import Wake
from services.runtime.identity import Grant, Principal, TokenSigner, TokenVerifier
from services.runtime.serve import build_server, open_channel
from tests.postgres import DatabaseUrls

Stub = Any  # the generated asynchronous stub exists for type checkers only
DIRECTORY_ISSUER = "directory"
INSTALLATION = "https://login.example installer"
SIGNERS = ("gateway", "worker", "reviews", "goals")


@dataclass
class Callers:
    """Tokens of whoever a test speaks as."""

    signers: dict[str, TokenSigner]
    verifier: TokenVerifier = field(repr=False)

    def service(self, name: str, tenant_id: UUID | None) -> dict[str, Any]:
        """Call options of a service."""
        return _options(self.signers[name].for_service(tenant_id))

    def user(self, tenant_id: UUID, employee_id: UUID, *grants: Grant) -> dict[str, Any]:
        """Call options of an employee with roles."""
        principal = Principal(tenant_id, "user", "user", employee_id, (Grant("employee"), *grants))
        return _options(self.signers["gateway"].for_user(principal))

    def installation(self) -> dict[str, Any]:
        """Call options of the administrator of the installation."""
        principal = Principal(None, "installation", "installation", None, (Grant("installation_admin"),))
        return _options(self.signers["gateway"].for_user(principal))


def _options(token: str) -> dict[str, Any]:
    return {"metadata": (("authorization", f"Bearer {token}"),), "timeout": 25.0}


@dataclass
class Company:
    """A tenant made for one test, and how to speak as its people."""

    people: Stub
    callers: Callers
    tenant_id: UUID
    admin_id: UUID

    @property
    def hr(self) -> dict[str, Any]:
        """Call options of its HR administrator."""
        return self.callers.user(self.tenant_id, self.admin_id, Grant("hr_admin"))

    @property
    def worker(self) -> dict[str, Any]:
        """Call options of the worker in its name."""
        return self.callers.service("worker", self.tenant_id)

    def as_employee(self, employee_id: str, *grants: Grant) -> dict[str, Any]:
        """Call options of one of its employees."""
        return self.callers.user(self.tenant_id, UUID(employee_id), *grants)

    async def load(self, text: str, *, dry_run: bool = False) -> people_pb2.ImportEmployeesResponse:
        """Import a CSV as the HR administrator."""
        request = people_pb2.ImportEmployeesRequest(
            request_id=str(uuid4()), content=text.encode(), format=people_pb2.FILE_FORMAT_CSV, dry_run=dry_run
        )
        report: people_pb2.ImportEmployeesResponse = await self.people.ImportEmployees(request, **self.hr)
        return report

    async def ids(self, *codes: str) -> list[str]:
        """The ids of employees by code, in the order of the codes."""
        request = people_pb2.ResolveReferencesRequest(employees=codes)
        found = (await self.people.ResolveReferences(request, **self.hr)).employees
        return [found[code] for code in codes]


@pytest.fixture(scope="session")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Callers:
    """Keys of the processes that call people."""
    private, public = tmp_path_factory.mktemp("private"), tmp_path_factory.mktemp("public")
    for name in SIGNERS:
        key = OKPKey.generate_key("Ed25519")
        (private / f"{name}.pem").write_bytes(key.as_pem(private=True))
        (public / f"{name}-1.pem").write_bytes(key.as_pem(private=False))
    signers = {name: TokenSigner(name, private / f"{name}.pem") for name in SIGNERS}
    return Callers(signers, TokenVerifier(public))


@pytest.fixture(scope="module")
def settings(database_urls: Callable[[str], DatabaseUrls], tmp_path_factory: pytest.TempPathFactory) -> PeopleSettings:
    """Settings of the service under test."""
    urls, nowhere = database_urls("people"), Path(tmp_path_factory.getbasetemp())
    return PeopleSettings(
        port=0,
        database_url=urls.app,
        system_database_url=urls.system,
        identity_key_file=nowhere,
        identity_keys_dir=nowhere,
        directory_issuers=(DIRECTORY_ISSUER,),
        installation_administrators=(INSTALLATION,),
    )


@pytest.fixture(scope="module")
async def people(
    settings: PeopleSettings, service_database: Callable[[str], Database], callers: Callers
) -> AsyncIterator[Stub]:
    """A stub of the service, served in this process."""
    service = compose(service_database("people"), settings, Wake("", "people"))
    server, _ = build_server(service, callers.verifier)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        yield people_pb2_grpc.PeopleServiceStub(channel)
    await server.stop(None)


@pytest.fixture
async def company(people: Stub, callers: Callers) -> Company:
    """A new company."""
    return await new_company(people, callers)


async def new_company(people: Stub, callers: Callers) -> Company:
    """Make a company with nobody but its administrator."""
    request = people_pb2.CreateTenantRequest(
        request_id=str(uuid4()), name="样例公司", admin_email="admin@example.com", language="en"
    )
    created = await people.CreateTenant(request, **callers.installation())
    return Company(people, callers, UUID(created.tenant.id), UUID(created.admin_employee_id))
