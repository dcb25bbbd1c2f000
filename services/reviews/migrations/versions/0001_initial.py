"""The tables of reviews as they were first.

Revision ID: 0001
Revises:
"""

from alembic import op

from services.runtime.database import row_level_security_ddl, runtime_tables_ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SYSTEM_TABLES = ("cycle", "cycle_schedule")
TABLES = (
    "cycle",
    "cycle_schedule",
    "form",
    "participant",
    "provider",
    "rater",
    "sign_off",
    "task",
    "template",
    "actual",
    "appeal",
    "cycle_day",
    "interview",
    "stage",
    "submission",
    "template_version",
)
STATEMENTS = (
    """
    CREATE TABLE cycle (
        tenant_id UUID NOT NULL, id UUID NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
        period_start DATE NOT NULL, period_end DATE NOT NULL, state TEXT DEFAULT 'draft' NOT NULL,
        owner_id UUID NOT NULL, zone TEXT NOT NULL, template_id UUID NOT NULL,
        template_version INTEGER NOT NULL, forms JSONB DEFAULT '[]' NOT NULL,
        population JSONB DEFAULT '{}' NOT NULL, overrides JSONB DEFAULT '{}' NOT NULL,
        release_mode TEXT DEFAULT 'manual' NOT NULL, confidential BOOLEAN DEFAULT 'false' NOT NULL,
        start_at TIMESTAMP WITH TIME ZONE, appeal_owner_id UUID, clock_offset INTERVAL DEFAULT '0' NOT NULL,
        on_person_findings TEXT DEFAULT 'refuse' NOT NULL, warnings_reason TEXT DEFAULT '' NOT NULL,
        frozen_total INTEGER, launched_at TIMESTAMP WITH TIME ZONE, enrolled_at TIMESTAMP WITH TIME ZONE,
        paused_at TIMESTAMP WITH TIME ZONE, released_at TIMESTAMP WITH TIME ZONE,
        ended_at TIMESTAMP WITH TIME ZONE, schedule_id UUID, nominal_at TIMESTAMP WITH TIME ZONE,
        blocked_reason TEXT DEFAULT '' NOT NULL, blocked_since TIMESTAMP WITH TIME ZONE,
        trace_id TEXT DEFAULT '' NOT NULL, version INTEGER DEFAULT '1' NOT NULL,
        create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_cycle PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_cycle_live ON cycle (tenant_id, state, id)",
    "CREATE UNIQUE INDEX uq_cycle_schedule_nominal ON cycle (tenant_id, schedule_id, nominal_at)",
    """
    CREATE TABLE cycle_schedule (
        tenant_id UUID NOT NULL, id UUID NOT NULL, name TEXT NOT NULL, state TEXT DEFAULT 'active' NOT NULL,
        kind TEXT NOT NULL, launch_day INTEGER NOT NULL, launch_time TIME WITHOUT TIME ZONE NOT NULL,
        zone TEXT NOT NULL, owner_id UUID NOT NULL, definition JSONB DEFAULT '{}' NOT NULL,
        on_person_findings TEXT DEFAULT 'exclude' NOT NULL, launched INTEGER DEFAULT '0' NOT NULL,
        last_nominal_at TIMESTAMP WITH TIME ZONE, launch_times TIMESTAMP WITH TIME ZONE[] DEFAULT '{}' NOT NULL,
        version INTEGER DEFAULT '1' NOT NULL, create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_cycle_schedule PRIMARY KEY (tenant_id, id)
    )
    """,
    """
    CREATE TABLE form (
        tenant_id UUID NOT NULL, id UUID NOT NULL, content_hash BYTEA NOT NULL,
        body JSONB DEFAULT '{}' NOT NULL, template_id UUID, template_version INTEGER DEFAULT '0' NOT NULL,
        labels JSONB DEFAULT '{}' NOT NULL, create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_form PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE UNIQUE INDEX ix_form_content_hash ON form (tenant_id, content_hash)",
    """
    CREATE TABLE participant (
        tenant_id UUID NOT NULL, id UUID NOT NULL, cycle_id UUID NOT NULL, employee_id UUID NOT NULL,
        state TEXT DEFAULT 'enrolled' NOT NULL, code TEXT NOT NULL, department_path UUID[] DEFAULT '{}' NOT NULL,
        department_name TEXT DEFAULT '' NOT NULL, department_head_id UUID,
        manager_chain UUID[] DEFAULT '{}' NOT NULL, post TEXT DEFAULT '' NOT NULL,
        level TEXT DEFAULT '' NOT NULL, group_ids UUID[] DEFAULT '{}' NOT NULL, hired_on DATE, form_id UUID,
        findings TEXT[] DEFAULT '{}' NOT NULL, opinion TEXT, reason TEXT DEFAULT '' NOT NULL,
        result_released_at TIMESTAMP WITH TIME ZONE, version INTEGER DEFAULT '1' NOT NULL,
        create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_participant PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_participant_page ON participant (tenant_id, cycle_id, id)",
    "CREATE UNIQUE INDEX uq_participant_employee ON participant (tenant_id, cycle_id, employee_id)",
    """
    CREATE TABLE provider (
        tenant_id UUID NOT NULL, cycle_id UUID NOT NULL, participant_id UUID NOT NULL, item TEXT NOT NULL,
        provider_id UUID NOT NULL, CONSTRAINT pk_provider PRIMARY KEY (tenant_id, cycle_id, participant_id, item)
    )
    """,
    "CREATE INDEX ix_provider_person ON provider (tenant_id, cycle_id, provider_id)",
    """
    CREATE TABLE rater (
        tenant_id UUID NOT NULL, id UUID NOT NULL, cycle_id UUID NOT NULL, participant_id UUID NOT NULL,
        relation TEXT NOT NULL, rater_id UUID NOT NULL, state TEXT DEFAULT 'approved' NOT NULL,
        weight NUMERIC DEFAULT '1' NOT NULL, proposed_by UUID, decided_by UUID, reason TEXT DEFAULT '' NOT NULL,
        version INTEGER DEFAULT '1' NOT NULL, update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_rater PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_rater_person ON rater (tenant_id, rater_id, cycle_id)",
    "CREATE UNIQUE INDEX uq_rater ON rater (tenant_id, participant_id, relation, rater_id)",
    """
    CREATE TABLE sign_off (
        tenant_id UUID NOT NULL, id UUID NOT NULL, subject_type TEXT NOT NULL, subject_id UUID NOT NULL,
        cycle_id UUID, participant_id UUID, task_id UUID, signer_id UUID NOT NULL, on_behalf_of UUID,
        method TEXT NOT NULL, typed_name TEXT DEFAULT '' NOT NULL, address TEXT DEFAULT '' NOT NULL,
        content_hash BYTEA NOT NULL, note TEXT DEFAULT '' NOT NULL,
        create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_sign_off PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_sign_off_participant ON sign_off (tenant_id, participant_id)",
    """
    CREATE TABLE task (
        tenant_id UUID NOT NULL, id UUID NOT NULL, cycle_id UUID NOT NULL, stage_id UUID NOT NULL,
        participant_id UUID, subject_id UUID, kind TEXT NOT NULL, relation TEXT DEFAULT '' NOT NULL,
        state TEXT DEFAULT 'open' NOT NULL, epoch INTEGER NOT NULL, step INTEGER DEFAULT '0' NOT NULL,
        assignee_id UUID, origin_id UUID, on_behalf_of UUID, reference_id UUID, form_id UUID,
        opened_at TIMESTAMP WITH TIME ZONE, due_override TIMESTAMP WITH TIME ZONE,
        late BOOLEAN DEFAULT 'false' NOT NULL, submission_version INTEGER DEFAULT '0' NOT NULL,
        draft JSONB DEFAULT '{}' NOT NULL, draft_comment TEXT DEFAULT '' NOT NULL,
        draft_saved_at TIMESTAMP WITH TIME ZONE, seen_at TIMESTAMP WITH TIME ZONE,
        submitted_at TIMESTAMP WITH TIME ZONE, ended_at TIMESTAMP WITH TIME ZONE,
        returned_at TIMESTAMP WITH TIME ZONE, returned_by UUID, returned_reason TEXT DEFAULT '' NOT NULL,
        reminded_at TIMESTAMP WITH TIME ZONE, reminder_count INTEGER DEFAULT '0' NOT NULL,
        reminder TEXT DEFAULT '' NOT NULL, escalated_at TIMESTAMP WITH TIME ZONE,
        blocked_reason TEXT DEFAULT '' NOT NULL, blocked_since TIMESTAMP WITH TIME ZONE,
        input_changed BOOLEAN DEFAULT 'false' NOT NULL, trace_id TEXT DEFAULT '' NOT NULL,
        version INTEGER DEFAULT '1' NOT NULL, update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_task PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_task_assignee ON task (tenant_id, assignee_id, state, id)",
    "CREATE INDEX ix_task_override ON task (tenant_id, stage_id, due_override) WHERE due_override IS NOT NULL",
    "CREATE INDEX ix_task_owed ON task (tenant_id, stage_id, id) WHERE state IN ('open', 'in_progress',"
    " 'returned', 'recalled')",
    "CREATE INDEX ix_task_participant ON task (tenant_id, participant_id)",
    "CREATE INDEX ix_task_submitted ON task (tenant_id, stage_id, id) WHERE state = 'submitted'",
    "CREATE UNIQUE INDEX uq_task_duty ON task (tenant_id, stage_id, participant_id, kind, relation, step,"
    " origin_id, reference_id) NULLS NOT DISTINCT",
    """
    CREATE TABLE template (
        tenant_id UUID NOT NULL, id UUID NOT NULL, name TEXT NOT NULL, state TEXT DEFAULT 'draft' NOT NULL,
        version INTEGER DEFAULT '1' NOT NULL, published_version INTEGER DEFAULT '0' NOT NULL,
        etag INTEGER DEFAULT '1' NOT NULL, create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_template PRIMARY KEY (tenant_id, id)
    )
    """,
    "CREATE UNIQUE INDEX uq_template_name ON template (tenant_id, name)",
    """
    CREATE TABLE actual (
        tenant_id UUID NOT NULL, participant_id UUID NOT NULL, item TEXT NOT NULL, version INTEGER NOT NULL,
        cycle_id UUID NOT NULL, value NUMERIC, state TEXT DEFAULT 'entered' NOT NULL, source TEXT NOT NULL,
        provider_id UUID, entered_by UUID, evidence JSONB DEFAULT '[]' NOT NULL, note TEXT DEFAULT '' NOT NULL,
        create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_actual PRIMARY KEY (tenant_id, participant_id, item, version),
        CONSTRAINT fk_actual_tenant_id_participant_id FOREIGN KEY(tenant_id, participant_id)
            REFERENCES participant (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_actual_cycle ON actual (tenant_id, cycle_id, participant_id)",
    """
    CREATE TABLE appeal (
        tenant_id UUID NOT NULL, id UUID NOT NULL, cycle_id UUID NOT NULL, participant_id UUID NOT NULL,
        result_id UUID NOT NULL, result_version INTEGER NOT NULL, filed_by UUID NOT NULL,
        state TEXT DEFAULT 'filed' NOT NULL, grounds TEXT NOT NULL, items JSONB DEFAULT '[]' NOT NULL,
        evidence JSONB DEFAULT '[]' NOT NULL, owner_id UUID, task_id UUID, due_at TIMESTAMP WITH TIME ZONE,
        decided_by UUID, decided_at TIMESTAMP WITH TIME ZONE, score NUMERIC, grade TEXT DEFAULT '' NOT NULL,
        reason TEXT DEFAULT '' NOT NULL, decision_evidence JSONB DEFAULT '[]' NOT NULL,
        escalated_at TIMESTAMP WITH TIME ZONE, amended_at TIMESTAMP WITH TIME ZONE,
        version INTEGER DEFAULT '1' NOT NULL, create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_appeal PRIMARY KEY (tenant_id, id),
        CONSTRAINT fk_appeal_tenant_id_participant_id FOREIGN KEY(tenant_id, participant_id)
            REFERENCES participant (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_appeal_cycle ON appeal (tenant_id, cycle_id, state)",
    "CREATE UNIQUE INDEX uq_appeal_result ON appeal (tenant_id, result_id, result_version)",
    """
    CREATE TABLE cycle_day (
        tenant_id UUID NOT NULL, cycle_id UUID NOT NULL, day DATE NOT NULL, business BOOLEAN NOT NULL,
        CONSTRAINT pk_cycle_day PRIMARY KEY (tenant_id, cycle_id, day),
        CONSTRAINT fk_cycle_day_tenant_id_cycle_id FOREIGN KEY(tenant_id, cycle_id)
            REFERENCES cycle (tenant_id, id)
    )
    """,
    """
    CREATE TABLE interview (
        tenant_id UUID NOT NULL, id UUID NOT NULL, cycle_id UUID NOT NULL, participant_id UUID NOT NULL,
        task_id UUID, manager_id UUID NOT NULL, employee_id UUID NOT NULL,
        state TEXT DEFAULT 'planned' NOT NULL, scheduled_at TIMESTAMP WITH TIME ZONE,
        minutes INTEGER DEFAULT '0' NOT NULL, place TEXT DEFAULT '' NOT NULL, agenda JSONB DEFAULT '[]' NOT NULL,
        manager_notes TEXT DEFAULT '' NOT NULL, employee_notes TEXT DEFAULT '' NOT NULL,
        manager_signed_at TIMESTAMP WITH TIME ZONE, employee_signed_at TIMESTAMP WITH TIME ZONE,
        extra JSONB DEFAULT '{}' NOT NULL, version INTEGER DEFAULT '1' NOT NULL,
        create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_interview PRIMARY KEY (tenant_id, id),
        CONSTRAINT fk_interview_tenant_id_participant_id FOREIGN KEY(tenant_id, participant_id)
            REFERENCES participant (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_interview_cycle ON interview (tenant_id, cycle_id, state)",
    "CREATE INDEX ix_interview_participant ON interview (tenant_id, participant_id)",
    """
    CREATE TABLE stage (
        tenant_id UUID NOT NULL, id UUID NOT NULL, cycle_id UUID NOT NULL, key TEXT NOT NULL,
        kind TEXT NOT NULL, position INTEGER NOT NULL, definition JSONB DEFAULT '{}' NOT NULL,
        state TEXT DEFAULT 'planned' NOT NULL, epoch INTEGER DEFAULT '0' NOT NULL,
        paused BOOLEAN DEFAULT 'false' NOT NULL, strict BOOLEAN DEFAULT 'false' NOT NULL,
        signature TEXT DEFAULT 'none' NOT NULL, planned_open_at TIMESTAMP WITH TIME ZONE,
        planned_due_at TIMESTAMP WITH TIME ZONE, open_at TIMESTAMP WITH TIME ZONE,
        due_at TIMESTAMP WITH TIME ZONE, opened_at TIMESTAMP WITH TIME ZONE, closing_at TIMESTAMP WITH TIME ZONE,
        closed_at TIMESTAMP WITH TIME ZONE, closed_early BOOLEAN DEFAULT 'false' NOT NULL,
        extended_once BOOLEAN DEFAULT 'false' NOT NULL, early_close BOOLEAN DEFAULT 'false' NOT NULL,
        marks JSONB DEFAULT '[]' NOT NULL, blocked_reason TEXT DEFAULT '' NOT NULL,
        blocked_since TIMESTAMP WITH TIME ZONE, trace_id TEXT DEFAULT '' NOT NULL,
        version INTEGER DEFAULT '1' NOT NULL, update_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_stage PRIMARY KEY (tenant_id, id),
        CONSTRAINT fk_stage_tenant_id_cycle_id FOREIGN KEY(tenant_id, cycle_id)
            REFERENCES cycle (tenant_id, id)
    )
    """,
    "CREATE UNIQUE INDEX uq_stage_key ON stage (tenant_id, cycle_id, key)",
    """
    CREATE TABLE submission (
        tenant_id UUID NOT NULL, task_id UUID NOT NULL, version INTEGER NOT NULL, cycle_id UUID NOT NULL,
        stage_id UUID NOT NULL, participant_id UUID, relation TEXT DEFAULT '' NOT NULL, rater_id UUID,
        epoch INTEGER NOT NULL, late BOOLEAN DEFAULT 'false' NOT NULL, answers JSONB DEFAULT '{}' NOT NULL,
        comment TEXT DEFAULT '' NOT NULL, automatic BOOLEAN DEFAULT 'false' NOT NULL, submitted_by UUID,
        on_behalf_of UUID, content_hash BYTEA DEFAULT ''::bytea NOT NULL, request_id TEXT DEFAULT '' NOT NULL,
        create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_submission PRIMARY KEY (tenant_id, task_id, version),
        CONSTRAINT fk_submission_tenant_id_task_id FOREIGN KEY(tenant_id, task_id)
            REFERENCES task (tenant_id, id)
    )
    """,
    "CREATE INDEX ix_submission_participant ON submission (tenant_id, cycle_id, participant_id)",
    """
    CREATE TABLE template_version (
        tenant_id UUID NOT NULL, template_id UUID NOT NULL, version INTEGER NOT NULL,
        body JSONB DEFAULT '{}' NOT NULL, content_hash BYTEA NOT NULL, published_at TIMESTAMP WITH TIME ZONE,
        create_time TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT pk_template_version PRIMARY KEY (tenant_id, template_id, version),
        CONSTRAINT fk_template_version_tenant_id_template_id FOREIGN KEY(tenant_id, template_id)
            REFERENCES template (tenant_id, id)
    )
    """,
)


def upgrade() -> None:
    for statement in (*STATEMENTS, *runtime_tables_ddl("reviews")):
        op.execute(statement)
    for table in TABLES:
        for statement in row_level_security_ddl("reviews", table, system=table in SYSTEM_TABLES):
            op.execute(statement)


def downgrade() -> None:
    """A released schema only grows."""
    raise NotImplementedError("migrations only go forward")
