"""The audit trail: entries written with each change, sealed behind the writers into a chain without gaps."""

from services.runtime.audit.entries import TransactionId, tables, write
from services.runtime.audit.seal import Alteration, Sealer, root, verify

__all__ = ["Alteration", "Sealer", "TransactionId", "root", "tables", "verify", "write"]
