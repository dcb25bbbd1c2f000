"""Make the tables of scoring.

Revision ID: 0001
Revises:
"""

from alembic import op

from services.runtime.database import row_level_security_ddl, runtime_tables_ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TENANT_TABLES = (
    "cycle_rule",
    "export",
    "form",
    "release",
    "result",
    "session",
    "export_part",
    "move",
    "score",
    "session_member",
)

TABLES = (
    """CREATE TABLE cycle_rule (
    tenant_id uuid NOT NULL, cycle_id uuid NOT NULL, cycle_name text NOT NULL, period_start date, period_end date,
    grades jsonb NOT NULL, guideline jsonb, facilitator text NOT NULL, owner_id uuid, update_time timestamptz NOT
    NULL DEFAULT clock_timestamp(), CONSTRAINT pk_cycle_rule PRIMARY KEY (tenant_id, cycle_id))""",
    """CREATE TABLE export (
    tenant_id uuid NOT NULL, id uuid NOT NULL, cycle_id uuid NOT NULL, kind text NOT NULL, columns text[] NOT NULL,
    requested_by text NOT NULL, state text NOT NULL DEFAULT 'running', done integer NOT NULL DEFAULT 0, total
    integer NOT NULL DEFAULT 0, reason text NOT NULL DEFAULT '', sha256 text NOT NULL DEFAULT '', create_time
    timestamptz NOT NULL DEFAULT clock_timestamp(), CONSTRAINT pk_export PRIMARY KEY (tenant_id, id))""",
    """CREATE TABLE form (
    tenant_id uuid NOT NULL, hash bytea NOT NULL, definition jsonb NOT NULL, create_time timestamptz NOT NULL
    DEFAULT clock_timestamp(), CONSTRAINT pk_form PRIMARY KEY (tenant_id, hash))""",
    """CREATE TABLE release (
    tenant_id uuid NOT NULL, cycle_id uuid NOT NULL, stage_id uuid NOT NULL, epoch integer NOT NULL, released_at
    timestamptz NOT NULL, results integer NOT NULL, create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_release PRIMARY KEY (tenant_id, cycle_id))""",
    """CREATE TABLE result (
    tenant_id uuid NOT NULL, id uuid NOT NULL, cycle_id uuid NOT NULL, participant_id uuid NOT NULL, employee_id
    uuid NOT NULL, version integer NOT NULL, latest boolean NOT NULL DEFAULT true, stage_id uuid NOT NULL, epoch
    integer NOT NULL, inputs_hash bytea NOT NULL, raw numeric, weighted numeric, calibrated numeric, final numeric,
    scored_grade text NOT NULL DEFAULT '', grade text NOT NULL DEFAULT '', coefficient numeric, explanation jsonb
    NOT NULL, unscored_code text NOT NULL DEFAULT '', unscored_message text NOT NULL DEFAULT '', department_path
    uuid[] NOT NULL, department_name text NOT NULL DEFAULT '', department_head uuid, manager_chain uuid[] NOT NULL,
    facilitator_id uuid, amended boolean NOT NULL DEFAULT false, appeal_id uuid, amend_reason text NOT NULL DEFAULT
    '', released_at timestamptz, revision integer NOT NULL DEFAULT 1, create_time timestamptz NOT NULL DEFAULT
    clock_timestamp(), update_time timestamptz NOT NULL DEFAULT clock_timestamp(), CONSTRAINT pk_result PRIMARY KEY
    (tenant_id, id), CONSTRAINT uq_result_tenant_id_cycle_id_participant_id_version UNIQUE (tenant_id, cycle_id,
    participant_id, version))""",
    "CREATE UNIQUE INDEX ix_result_appeal ON result (tenant_id, appeal_id) WHERE appeal_id IS NOT NULL",
    "CREATE INDEX ix_result_employee ON result (tenant_id, employee_id, id)",
    "CREATE UNIQUE INDEX ix_result_latest ON result (tenant_id, cycle_id, participant_id) WHERE latest",
    """CREATE TABLE session (
    tenant_id uuid NOT NULL, id uuid NOT NULL, cycle_id uuid NOT NULL, stage_id uuid NOT NULL, epoch integer NOT
    NULL, department_id uuid, department_path uuid[] NOT NULL, department_name text NOT NULL DEFAULT '',
    facilitator_id uuid, state text NOT NULL DEFAULT 'open', pooled boolean NOT NULL DEFAULT false, size integer NOT
    NULL, moves integer NOT NULL DEFAULT 0, version integer NOT NULL DEFAULT 1, waiver_reason text NOT NULL DEFAULT
    '', committed_at timestamptz, create_time timestamptz NOT NULL DEFAULT clock_timestamp(), update_time
    timestamptz NOT NULL DEFAULT clock_timestamp(), CONSTRAINT pk_session PRIMARY KEY (tenant_id, id), CONSTRAINT
    uq_session_tenant_id_cycle_id_stage_id_department_path UNIQUE (tenant_id, cycle_id, stage_id, department_path))""",
    """CREATE TABLE export_part (
    tenant_id uuid NOT NULL, export_id uuid NOT NULL, part integer NOT NULL, content bytea NOT NULL, CONSTRAINT
    pk_export_part PRIMARY KEY (tenant_id, export_id, part), CONSTRAINT fk_export_part_tenant_id_export_id FOREIGN
    KEY(tenant_id, export_id) REFERENCES export (tenant_id, id) ON DELETE CASCADE)""",
    """CREATE TABLE move (
    tenant_id uuid NOT NULL, session_id uuid NOT NULL, sequence integer NOT NULL, participant_id uuid NOT NULL,
    from_grade text NOT NULL, from_score numeric NOT NULL, to_grade text NOT NULL, to_score numeric NOT NULL, reason
    text NOT NULL DEFAULT '', moved_by text NOT NULL, undone_at timestamptz, create_time timestamptz NOT NULL
    DEFAULT clock_timestamp(), CONSTRAINT pk_move PRIMARY KEY (tenant_id, session_id, sequence), CONSTRAINT
    fk_move_tenant_id_session_id FOREIGN KEY(tenant_id, session_id) REFERENCES session (tenant_id, id))""",
    """CREATE TABLE score (
    tenant_id uuid NOT NULL, cycle_id uuid NOT NULL, participant_id uuid NOT NULL, stage_id uuid NOT NULL, epoch
    integer NOT NULL, form_hash bytea NOT NULL, engine_version integer NOT NULL, inputs jsonb NOT NULL, inputs_hash
    bytea NOT NULL, raw numeric, weighted numeric, veto_grade text NOT NULL DEFAULT '', explanation jsonb NOT NULL,
    unscored_code text NOT NULL DEFAULT '', unscored_message text NOT NULL DEFAULT '', superseded boolean NOT NULL
    DEFAULT false, create_time timestamptz NOT NULL DEFAULT clock_timestamp(), CONSTRAINT pk_score PRIMARY KEY
    (tenant_id, cycle_id, participant_id, stage_id, epoch), CONSTRAINT fk_score_tenant_id_form_hash FOREIGN
    KEY(tenant_id, form_hash) REFERENCES form (tenant_id, hash))""",
    """CREATE TABLE session_member (
    tenant_id uuid NOT NULL, session_id uuid NOT NULL, participant_id uuid NOT NULL, employee_id uuid NOT NULL,
    weighted numeric NOT NULL, scored_grade text NOT NULL, score numeric NOT NULL, grade text NOT NULL, counted
    boolean NOT NULL DEFAULT true, CONSTRAINT pk_session_member PRIMARY KEY (tenant_id, session_id, participant_id),
    CONSTRAINT fk_session_member_tenant_id_session_id FOREIGN KEY(tenant_id, session_id) REFERENCES session
    (tenant_id, id))""",
)


def upgrade() -> None:
    for statement in (*runtime_tables_ddl("scoring"), *TABLES):
        op.execute(statement)
    for table in TENANT_TABLES:
        for statement in row_level_security_ddl("scoring", table):
            op.execute(statement)


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
