"""The audit trail: entries written with each change, sealed behind the writers into a chain without gaps."""

from services.runtime.audit.entries import tables, write

__all__ = ["tables", "write"]
