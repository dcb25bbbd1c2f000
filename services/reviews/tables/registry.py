"""The metadata of the schema and the column shorthands of its tables."""

from sqlalchemy import Column, DateTime, ForeignKeyConstraint, LargeBinary, Text, Uuid, func
from sqlalchemy.dialects.postgresql import JSONB

from services.runtime.database import metadata as schema_metadata

SCHEMA = "reviews"
metadata = schema_metadata(SCHEMA)

INSTANT = DateTime(timezone=True)
HASH = LargeBinary(32)


def tenant() -> Column[object]:
    """First column of every primary key."""
    return Column("tenant_id", Uuid, primary_key=True)


def key(name: str = "id") -> Column[object]:
    return Column(name, Uuid, primary_key=True)


def reference(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, Uuid, nullable=nullable)


def text(name: str, default: str | None = None) -> Column[object]:
    return Column(name, Text, nullable=False, server_default=default)


def instant(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, INSTANT, nullable=nullable)


def created() -> Column[object]:
    return Column("create_time", INSTANT, nullable=False, server_default=func.now())


def updated() -> Column[object]:
    return Column("update_time", INSTANT, nullable=False, server_default=func.now())


def document(name: str, default: str = "{}") -> Column[object]:
    return Column(name, JSONB, nullable=False, server_default=default)


def foreign(columns: list[str], target: str, target_columns: list[str]) -> ForeignKeyConstraint:
    """Tenant-first reference to another table of this schema."""
    return ForeignKeyConstraint(
        ["tenant_id", *columns], [f"{target}.{column}" for column in ["tenant_id", *target_columns]]
    )
