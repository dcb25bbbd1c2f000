"""The audit trail: entries written with each change, sealed behind the writers into a chain without gaps."""

from services.runtime.audit.entries import TransactionId, tables, write, write_each
from services.runtime.audit.seal import Alteration, Sealer, replace_beyond, root, tenants_beyond, verify

__all__ = [
    "Alteration",
    "Sealer",
    "TransactionId",
    "replace_beyond",
    "root",
    "tables",
    "tenants_beyond",
    "verify",
    "write",
    "write_each",
]
