"""Make the tables of people.

Revision ID: 0001
Revises:
"""

from alembic import op

from services.runtime.database import row_level_security_ddl, runtime_tables_ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SYSTEM_TABLES = ("tenant", "identity")
TENANT_TABLES = (
    "employee",
    "department",
    "assignment",
    "absence",
    "role_grant",
    "dynamic_group",
    "calendar_day",
    "frozen_population",
    "frozen_member",
)

TABLES = (
    """CREATE TABLE tenant (
    tenant_id uuid NOT NULL, name text NOT NULL, zone text NOT NULL, country text NOT NULL,
    language text NOT NULL, edition text NOT NULL, version bigint NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_tenant PRIMARY KEY (tenant_id))""",
    """CREATE TABLE employee (
    tenant_id uuid NOT NULL, id uuid NOT NULL, code text NOT NULL, name text NOT NULL, email text,
    email_key text GENERATED ALWAYS AS (lower(email)) STORED, mobile text NOT NULL DEFAULT '',
    language text NOT NULL DEFAULT '', hired_on date, left_on date, attributes jsonb NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 1, create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_employee PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_employee_tenant_id_code UNIQUE (tenant_id, code),
    CONSTRAINT uq_employee_tenant_id_email_key UNIQUE (tenant_id, email_key) DEFERRABLE INITIALLY IMMEDIATE)""",
    """CREATE TABLE department (
    tenant_id uuid NOT NULL, id uuid NOT NULL, code text, name text NOT NULL, path uuid[] NOT NULL,
    path_names text NOT NULL, version bigint NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_department PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_department_tenant_id_path_names UNIQUE (tenant_id, path_names),
    CONSTRAINT uq_department_tenant_id_code UNIQUE (tenant_id, code))""",
    """CREATE TABLE identity (
    tenant_id uuid NOT NULL, issuer text NOT NULL, subject text NOT NULL, employee_id uuid NOT NULL,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_identity PRIMARY KEY (tenant_id, issuer, subject),
    CONSTRAINT fk_identity_tenant_id_employee_id
        FOREIGN KEY (tenant_id, employee_id) REFERENCES employee (tenant_id, id))""",
    "CREATE INDEX ix_identity_issuer_subject ON identity (issuer, subject)",
    """CREATE TABLE assignment (
    tenant_id uuid NOT NULL, employee_id uuid NOT NULL, valid_from date NOT NULL, valid_to date,
    department_id uuid, manager_id uuid, dotted_manager_ids uuid[] NOT NULL DEFAULT '{}',
    post text NOT NULL DEFAULT '', level text NOT NULL DEFAULT '',
    CONSTRAINT pk_assignment PRIMARY KEY (tenant_id, employee_id, valid_from),
    CONSTRAINT fk_assignment_tenant_id_employee_id
        FOREIGN KEY (tenant_id, employee_id) REFERENCES employee (tenant_id, id),
    CONSTRAINT fk_assignment_tenant_id_manager_id
        FOREIGN KEY (tenant_id, manager_id) REFERENCES employee (tenant_id, id),
    CONSTRAINT fk_assignment_tenant_id_department_id
        FOREIGN KEY (tenant_id, department_id) REFERENCES department (tenant_id, id))""",
    "CREATE INDEX ix_assignment_department ON assignment (tenant_id, department_id)",
    "CREATE INDEX ix_assignment_manager ON assignment (tenant_id, manager_id)",
    """CREATE TABLE absence (
    tenant_id uuid NOT NULL, id uuid NOT NULL, employee_id uuid NOT NULL, from_on date NOT NULL,
    to_on date NOT NULL, create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_absence PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_absence_tenant_id_employee_id
        FOREIGN KEY (tenant_id, employee_id) REFERENCES employee (tenant_id, id))""",
    "CREATE INDEX ix_absence_employee ON absence (tenant_id, employee_id)",
    """CREATE TABLE role_grant (
    tenant_id uuid NOT NULL, id uuid NOT NULL, employee_id uuid NOT NULL, role text NOT NULL,
    scope_kind text NOT NULL, scope_id text NOT NULL DEFAULT '', revoke_time timestamptz,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_role_grant PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_role_grant_tenant_id_employee_id
        FOREIGN KEY (tenant_id, employee_id) REFERENCES employee (tenant_id, id))""",
    "CREATE UNIQUE INDEX ix_role_grant_held ON role_grant (tenant_id, employee_id, role, scope_kind, scope_id)"
    " WHERE revoke_time IS NULL",
    """CREATE TABLE dynamic_group (
    tenant_id uuid NOT NULL, id uuid NOT NULL, name text NOT NULL, rule jsonb NOT NULL,
    version bigint NOT NULL DEFAULT 1, create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_dynamic_group PRIMARY KEY (tenant_id, id),
    CONSTRAINT uq_dynamic_group_tenant_id_name UNIQUE (tenant_id, name))""",
    """CREATE TABLE calendar_day (
    tenant_id uuid NOT NULL, day date NOT NULL, workday boolean NOT NULL, name text NOT NULL DEFAULT '',
    CONSTRAINT pk_calendar_day PRIMARY KEY (tenant_id, day))""",
    """CREATE TABLE frozen_population (
    tenant_id uuid NOT NULL, id uuid NOT NULL, as_of timestamptz NOT NULL, request_hash bytea NOT NULL,
    members integer NOT NULL DEFAULT 0, create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_frozen_population PRIMARY KEY (tenant_id, id))""",
    """CREATE TABLE frozen_member (
    tenant_id uuid NOT NULL, freeze_id uuid NOT NULL, employee_id uuid NOT NULL, code text NOT NULL,
    post text NOT NULL, level text NOT NULL, hired_on date, department_path bytea NOT NULL,
    department_names text NOT NULL, department_head uuid, manager_chain bytea NOT NULL, group_ids bytea NOT NULL,
    problem text NOT NULL,
    CONSTRAINT pk_frozen_member PRIMARY KEY (tenant_id, freeze_id, employee_id))""",
)


def upgrade() -> None:
    """Make the runtime's tables and those of people, each visible to its own tenant."""
    for statement in (*runtime_tables_ddl("people"), *TABLES):
        op.execute(statement)
    for table in SYSTEM_TABLES:
        for statement in row_level_security_ddl("people", table, system=True):
            op.execute(statement)
    for table in TENANT_TABLES:
        for statement in row_level_security_ddl("people", table):
            op.execute(statement)
    op.execute("REVOKE INSERT, UPDATE, DELETE ON tenant, identity FROM people_system")


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
