"""The tables of people; `tenant` and `identity` are read across tenants by the system role."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.runtime.database import metadata as runtime_metadata

metadata = runtime_metadata("people")


def _tenant_id() -> Column[object]:
    return Column("tenant_id", Uuid, nullable=False)


def _created() -> Column[object]:
    return Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())


def _version() -> Column[object]:
    return Column("version", BigInteger, nullable=False, server_default=text("1"))


def _of_tenant(*columns: str, table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["tenant_id", *columns], [f"{table}.tenant_id", *(f"{table}.id" for _ in columns)])


tenant = Table(
    "tenant",
    metadata,
    _tenant_id(),
    Column("name", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("country", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("edition", Text, nullable=False),
    _version(),
    _created(),
    PrimaryKeyConstraint("tenant_id"),
)

identity = Table(
    "identity",
    metadata,
    _tenant_id(),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    _created(),
    PrimaryKeyConstraint("tenant_id", "issuer", "subject"),
    _of_tenant("employee_id", table="employee"),
    # The one question that is asked before the tenant is known.
    Index("ix_identity_issuer_subject", "issuer", "subject"),
)

department = Table(
    "department",
    metadata,
    _tenant_id(),
    Column("id", Uuid, nullable=False),
    Column("code", Text),
    Column("name", Text, nullable=False),
    Column("path", ARRAY(Uuid), nullable=False),
    Column("path_names", Text, nullable=False),
    _version(),
    _created(),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "path_names"),
    UniqueConstraint("tenant_id", "code"),
)

employee = Table(
    "employee",
    metadata,
    _tenant_id(),
    Column("id", Uuid, nullable=False),
    Column("code", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("email_key", Text, Computed("lower(email)", persisted=True)),
    Column("mobile", Text, nullable=False, server_default=""),
    Column("language", Text, nullable=False, server_default=""),
    Column("hired_on", Date),
    Column("left_on", Date),
    Column("left_told", Date),  # what followers may hold for the last day: told once passed, or ahead and replaced
    Column("attributes", JSONB, nullable=False, server_default=text("'{}'")),
    # False for an account made with the tenant, until a staff file or a reporting line names it.
    Column("on_staff", Boolean, nullable=False, server_default=text("true")),
    _version(),
    _created(),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "code"),
    # Deferrable, so that one import may swap the addresses of two people.
    UniqueConstraint("tenant_id", "email_key", deferrable=True, initially="IMMEDIATE"),
    Index(
        "ix_employee_untold",
        "tenant_id",
        "left_on",
        postgresql_where=text("left_told IS DISTINCT FROM left_on"),
    ),
)

assignment = Table(
    "assignment",
    metadata,
    _tenant_id(),
    Column("employee_id", Uuid, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date),
    Column("department_id", Uuid),
    Column("manager_id", Uuid),
    Column("dotted_manager_ids", ARRAY(Uuid), nullable=False, server_default=text("'{}'")),
    Column("post", Text, nullable=False, server_default=""),
    Column("level", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("tenant_id", "employee_id", "valid_from"),
    _of_tenant("employee_id", table="employee"),
    _of_tenant("manager_id", table="employee"),
    _of_tenant("department_id", table="department"),
    Index("ix_assignment_manager", "tenant_id", "manager_id"),
    Index("ix_assignment_department", "tenant_id", "department_id"),
)

absence = Table(
    "absence",
    metadata,
    _tenant_id(),
    Column("id", Uuid, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("from_on", Date, nullable=False),
    Column("to_on", Date, nullable=False),
    _created(),
    PrimaryKeyConstraint("tenant_id", "id"),
    _of_tenant("employee_id", table="employee"),
    Index("ix_absence_employee", "tenant_id", "employee_id"),
)

role_grant = Table(
    "role_grant",
    metadata,
    _tenant_id(),
    Column("id", Uuid, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("role", Text, nullable=False),
    Column("scope_kind", Text, nullable=False),
    Column("scope_id", Text, nullable=False, server_default=""),
    Column("revoke_time", DateTime(timezone=True)),
    _created(),
    PrimaryKeyConstraint("tenant_id", "id"),
    _of_tenant("employee_id", table="employee"),
    Index(
        "ix_role_grant_held",
        "tenant_id",
        "employee_id",
        "role",
        "scope_kind",
        "scope_id",
        unique=True,
        postgresql_where=text("revoke_time IS NULL"),
    ),
)

dynamic_group = Table(
    "dynamic_group",
    metadata,
    _tenant_id(),
    Column("id", Uuid, nullable=False),
    Column("name", Text, nullable=False),
    Column("rule", JSONB, nullable=False),
    _version(),
    _created(),
    PrimaryKeyConstraint("tenant_id", "id"),
    UniqueConstraint("tenant_id", "name"),
)

calendar_day = Table(
    "calendar_day",
    metadata,
    _tenant_id(),
    Column("day", Date, nullable=False),
    Column("workday", Boolean, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("tenant_id", "day"),
)

frozen_population = Table(
    "frozen_population",
    metadata,
    _tenant_id(),
    Column("id", Uuid, nullable=False),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("members", Integer, nullable=False, server_default=text("0")),
    Column("expire_time", DateTime(timezone=True)),
    _created(),
    PrimaryKeyConstraint("tenant_id", "id"),
)

# Ids in rows of ids are packed, 16 bytes each: that is how they are paged out, and nothing else reads them.
frozen_member = Table(
    "frozen_member",
    metadata,
    _tenant_id(),
    Column("freeze_id", Uuid, nullable=False),
    Column("employee_id", Uuid, nullable=False),
    Column("code", Text, nullable=False),
    Column("post", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("hired_on", Date),
    Column("department_path", LargeBinary, nullable=False),
    Column("department_names", Text, nullable=False),
    Column("department_head", Uuid),
    Column("manager_chain", LargeBinary, nullable=False),
    Column("group_ids", LargeBinary, nullable=False),
    Column("problem", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "freeze_id", "employee_id"),
)

# What stays of a tenant that was deleted: that it was, when, and where its audit chains ended.
deleted_tenant = Table(
    "deleted_tenant",
    metadata,
    _tenant_id(),
    Column("audit_roots", JSONB, nullable=False),
    Column("begin_time", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("finish_time", DateTime(timezone=True)),
    PrimaryKeyConstraint("tenant_id"),
)
