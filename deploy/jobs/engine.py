"""Makes the namespace and the search attributes that Attune needs of Temporal: `python -m deploy.jobs.engine`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode, TLSConfig

from services.runtime.settings import File

_RETENTION = timedelta(days=30)
WAIT_SECONDS = 300.0  # a server that starts beside us makes its schema first
# What the server answers while not all of it knows the namespace of a moment ago, or while somebody else adds the same.
_NOT_YET = frozenset({RPCStatusCode.NOT_FOUND, RPCStatusCode.UNAVAILABLE, RPCStatusCode.ALREADY_EXISTS})

SEARCH_ATTRIBUTES: Mapping[str, IndexedValueType.ValueType] = {
    **dict.fromkeys(
        ("AttuneTenant", "AttuneCycle", "AttuneKind", "AttuneStage", "AttuneState"),
        IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    ),
    "AttuneDueAt": IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
}


class EngineJobSettings(BaseSettings):
    """Where the engine answers, and the namespace that is Attune's there."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    temporal_address: str = Field(validation_alias="TEMPORAL_ADDRESS")
    temporal_namespace: str = Field(validation_alias="TEMPORAL_NAMESPACE")
    temporal_tls: bool = Field(default=False, validation_alias="TEMPORAL_TLS")
    authority_file: File = Field(default=None, validation_alias="TEMPORAL_TLS_SERVER_CA_CERT_PATH")
    certificate_file: File = Field(default=None, validation_alias="TEMPORAL_TLS_CLIENT_CERT_PATH")
    key_file: File = Field(default=None, validation_alias="TEMPORAL_TLS_CLIENT_KEY_PATH")
    temporal_api_key: str = Field(default="", validation_alias="TEMPORAL_API_KEY", repr=False)

    def tls(self) -> TLSConfig | bool:
        """How the connection is encrypted, with what the files hold now."""
        if not self.temporal_tls:
            return False
        authority, certificate, key = (
            file.read_bytes() if file else None for file in (self.authority_file, self.certificate_file, self.key_file)
        )
        return TLSConfig(server_root_ca_cert=authority, client_cert=certificate, client_private_key=key)


async def connect(settings: EngineJobSettings) -> Client:
    """Connect to the engine once. Raises RuntimeError when it does not answer, OSError for a file that is missing."""
    return await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        tls=settings.tls(),
        api_key=settings.temporal_api_key or None,
    )


async def register(settings: EngineJobSettings) -> None:
    """Connect, and make what Attune needs there."""
    await prepare(await connect(settings))


async def prepare(client: Client) -> None:
    """Make sure that the namespace and Attune's search attributes exist, and wait until the server knows them.

    Raises RPCError when that is not allowed; waits for ever when the server never knows them.
    """
    namespace = client.namespace
    try:
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        retention = Duration()
        retention.FromTimedelta(_RETENTION)
        await client.workflow_service.register_namespace(
            RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=retention)
        )
    while missing := await _missing_attributes(client, namespace):
        try:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(namespace=namespace, search_attributes=missing)
            )
        except RPCError as error:
            if error.status not in _NOT_YET:
                raise
        await asyncio.sleep(0.1)


async def _missing_attributes(client: Client, namespace: str) -> dict[str, IndexedValueType.ValueType]:
    try:
        known = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace=namespace))
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # registered a moment ago
            return dict(SEARCH_ATTRIBUTES)
        raise
    return {name: kind for name, kind in SEARCH_ATTRIBUTES.items() if name not in known.custom_attributes}


async def _when_it_answers(settings: EngineJobSettings) -> None:
    """Register as soon as the engine answers. Raises what was wrong when it has not within five minutes."""
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while True:
        try:
            return await register(settings)
        except (RPCError, RuntimeError):
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(1)


def main() -> int:
    """Register by the environment."""
    settings = EngineJobSettings()
    asyncio.run(_when_it_answers(settings))
    print(f"namespace {settings.temporal_namespace} and its search attributes are there")  # noqa: T201 - a command's output
    return 0


if __name__ == "__main__":
    outcome = main()
    sys.stdout.flush()
    os._exit(outcome)  # the SDK's threads go on while the interpreter ends, which now and then aborts the process
