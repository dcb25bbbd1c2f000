"""Make the tables of goals.

Revision ID: 0001
Revises:
"""

from alembic import op

from services.runtime.database import row_level_security_ddl, runtime_tables_ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TENANT_TABLES = ("goal", "goal_version", "check_in", "attainment_freeze", "attainment")

TABLES = (
    """CREATE TABLE goal (
    tenant_id uuid NOT NULL, id uuid NOT NULL, owner_id uuid NOT NULL, department_path uuid[] NOT NULL,
    manager_chain uuid[] NOT NULL, name text NOT NULL, description text NOT NULL, mode text NOT NULL,
    state text NOT NULL, weight numeric NOT NULL, period_start date NOT NULL, period_end date NOT NULL,
    measures jsonb NOT NULL, version bigint NOT NULL DEFAULT 1, reason text NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_goal PRIMARY KEY (tenant_id, id))""",
    "CREATE INDEX ix_goal_owner ON goal (tenant_id, owner_id, period_start)",
    "CREATE INDEX ix_goal_period ON goal (tenant_id, period_end, period_start)",
    """CREATE TABLE goal_version (
    tenant_id uuid NOT NULL, goal_id uuid NOT NULL, version bigint NOT NULL, snapshot jsonb NOT NULL,
    author text NOT NULL, create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_goal_version PRIMARY KEY (tenant_id, goal_id, version),
    CONSTRAINT fk_goal_version_tenant_id_goal_id FOREIGN KEY (tenant_id, goal_id) REFERENCES goal (tenant_id, id))""",
    """CREATE TABLE check_in (
    tenant_id uuid NOT NULL, id uuid NOT NULL, goal_id uuid NOT NULL, measure_id uuid NOT NULL, value numeric,
    done boolean NOT NULL, confidence integer, note text NOT NULL, author_id uuid NOT NULL,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_check_in PRIMARY KEY (tenant_id, id),
    CONSTRAINT fk_check_in_tenant_id_goal_id FOREIGN KEY (tenant_id, goal_id) REFERENCES goal (tenant_id, id))""",
    "CREATE INDEX ix_check_in_goal ON check_in (tenant_id, goal_id, id)",
    """CREATE TABLE attainment_freeze (
    tenant_id uuid NOT NULL, id uuid NOT NULL, period_start date NOT NULL, period_end date NOT NULL,
    as_of timestamptz NOT NULL, count integer NOT NULL,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_attainment_freeze PRIMARY KEY (tenant_id, id))""",
    """CREATE TABLE attainment (
    tenant_id uuid NOT NULL, freeze_id uuid NOT NULL, employee_id uuid NOT NULL, goal_id uuid NOT NULL,
    goal_version bigint NOT NULL, name text NOT NULL, mode text NOT NULL, weight numeric NOT NULL,
    canceled boolean NOT NULL, measures jsonb NOT NULL,
    CONSTRAINT pk_attainment PRIMARY KEY (tenant_id, freeze_id, employee_id, goal_id),
    CONSTRAINT fk_attainment_tenant_id_freeze_id
        FOREIGN KEY (tenant_id, freeze_id) REFERENCES attainment_freeze (tenant_id, id))""",
)


def upgrade() -> None:
    """Make the runtime's tables and those of goals, each visible to its own tenant."""
    for statement in (*runtime_tables_ddl("goals"), *TABLES):
        op.execute(statement)
    for table in TENANT_TABLES:
        for statement in row_level_security_ddl("goals", table):
            op.execute(statement)


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
