"""How activities and the bridge call services: in whose name, and with which deadline."""

from datetime import timedelta
from typing import TypedDict
from uuid import UUID

from services.runtime.identity import Metadata, TokenSigner, call_metadata
from workflows import policies


class CallOptions(TypedDict):
    """What every call of a stub is given."""

    timeout: float
    metadata: Metadata


class Caller:
    """Signs each call in the name of this process and, where there is one, for the tenant."""

    def __init__(self, signer: TokenSigner) -> None:
        self._signer = signer

    def short(self, tenant_id: str = "") -> CallOptions:
        """The options of a call that does something small."""
        return self._options(tenant_id, policies.SHORT_CALL)

    def bulk(self, tenant_id: str) -> CallOptions:
        """The options of a call that moves a chunk."""
        return self._options(tenant_id, policies.BULK_CALL)

    def _options(self, tenant_id: str, limit: timedelta) -> CallOptions:
        metadata = call_metadata(self._signer, UUID(tenant_id) if tenant_id else None)
        return CallOptions(timeout=limit.total_seconds(), metadata=metadata)
