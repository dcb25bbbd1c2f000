"""What all schemas have in common: names, row-level security, deterministic ids, the runtime's own tables."""

from sqlalchemy import MetaData

from services.runtime import audit, idempotency
from services.runtime.eventlog.log import PARTITION_SQL
from services.runtime.eventlog.log import tables as event_tables

LOG_PLACE_SQL = "SELECT (pg_current_xact_id()::text::bigint + log_offset)::text::xid8"
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# Time bits as in UUID version 7, so that rows of one opening lie together; the rest is the sha256 of the parts.
DETERMINISTIC_ID_FUNCTION_DDL = """
CREATE FUNCTION deterministic_id(at timestamptz, VARIADIC parts text[]) RETURNS uuid
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT encode(
        substring(int8send((extract(epoch FROM at) * 1000)::bigint) FROM 3)
        || set_byte(set_byte(substring(digest FROM 1 FOR 10),
                             0, get_byte(digest, 0) & 15 | 112),
                    2, get_byte(digest, 2) & 63 | 128),
        'hex')::uuid
    FROM (SELECT sha256(convert_to(array_to_string(parts, chr(31)), 'UTF8')) AS digest) AS hashed
$$
"""
# The same ids by a body without FROM, which PostgreSQL puts into the calling query: 1 µs an id instead of 4.
# Version 7 is bits 55 to 52, the variant 71 and 70.
INLINED_DETERMINISTIC_ID_DDL = """
CREATE OR REPLACE FUNCTION deterministic_id(at timestamptz, VARIADIC parts text[]) RETURNS uuid
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT encode(
        set_bit(set_bit(set_bit(set_bit(set_bit(set_bit(
            substring(int8send((extract(epoch FROM at) * 1000)::bigint) FROM 3)
            || substring(sha256(convert_to(array_to_string(parts, chr(31)), 'UTF8')) FROM 1 FOR 10),
            55, 0), 54, 1), 53, 1), 52, 1), 71, 1), 70, 0),
        'hex')::uuid
$$
"""


def metadata(schema: str) -> MetaData:
    """Return the metadata of a service's schema, the runtime's tables included; the search path names the schema."""
    declared = MetaData(naming_convention=NAMING_CONVENTION, info={"schema": schema})
    event_tables(declared)
    audit.tables(declared)
    idempotency.tables(declared)
    return declared


def row_level_security_ddl(service: str, table: str, *, system: bool = False) -> tuple[str, ...]:
    """Return the statements that show rows to their own tenant only, and to the system role if so wished."""
    statements = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenant ON {table} TO {service}_app, {service}_owner"
        " USING (tenant_id = (SELECT current_setting('attune.tenant')::uuid))",
    ]
    if system:
        statements.append(f"CREATE POLICY system ON {table} TO {service}_system USING (true)")
    return tuple(statements)


def tenantless_ddl(service: str, table: str) -> tuple[str, ...]:
    """Return the statements for a table that holds no tenant's rows: all roles of the service see all of it."""
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY everyone ON {table} TO {service}_app, {service}_system, {service}_owner USING (true)",
    )


def log_offset_ddl(service: str) -> tuple[str, ...]:
    """Return the statements that let a log count on where a restore has brought it to a server that counts anew.

    A place in the log is the transaction's id plus the offset, which is 0 until then; see bump_epoch.
    """
    return (
        "ALTER TABLE event_epoch ADD COLUMN log_offset bigint NOT NULL DEFAULT 0",
        # In plpgsql, for its plan is kept: 3 µs an event.
        f"CREATE FUNCTION event_xid() RETURNS xid8 LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN ({LOG_PLACE_SQL}"
        f" FROM {service}.event_epoch); END $$",
        "ALTER TABLE event ALTER COLUMN xid SET DEFAULT event_xid()",
    )


def runtime_tables_ddl(service: str) -> tuple[str, ...]:
    """Return the statements that make the runtime's tables, first revision, for a service's first migration."""
    statements = [DETERMINISTIC_ID_FUNCTION_DDL, *RUNTIME_TABLES]
    for table in ("event", "parked_event", "audit_entry", "audit_note", "audit_seal", "idempotency"):
        statements += row_level_security_ddl(service, table, system=True)
    for table in ("event_epoch", "event_cursor"):
        statements += tenantless_ddl(service, table)
    for table in ("audit_entry", "audit_seal"):
        statements.append(f"REVOKE UPDATE, DELETE ON {table} FROM {service}_app, {service}_system")
    statements.append(f"REVOKE UPDATE, DELETE ON event FROM {service}_app")
    return tuple(statements)


RUNTIME_TABLES = (
    f"""CREATE TABLE event (
    tenant_id uuid NOT NULL, id uuid NOT NULL, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    partition smallint NOT NULL GENERATED ALWAYS AS ({PARTITION_SQL}) STORED,
    kind text NOT NULL, aggregate_type text NOT NULL, aggregate_id uuid NOT NULL, version bigint NOT NULL,
    payload jsonb NOT NULL, trace_id text NOT NULL DEFAULT '',
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_event PRIMARY KEY (tenant_id, id))""",
    "CREATE INDEX ix_event_order ON event (partition, xid, id)",
    """CREATE TABLE event_epoch (
    single boolean NOT NULL DEFAULT true, log_epoch bigint NOT NULL DEFAULT 1, xid xid8 NOT NULL DEFAULT '0',
    CONSTRAINT pk_event_epoch PRIMARY KEY (single))""",
    "INSERT INTO event_epoch DEFAULT VALUES",
    """CREATE TABLE event_cursor (
    consumer text NOT NULL, producer text NOT NULL, partition smallint NOT NULL, log_epoch bigint NOT NULL DEFAULT 1,
    xid xid8 NOT NULL DEFAULT '0', event_id uuid, lease_holder uuid, lease_until timestamptz,
    CONSTRAINT pk_event_cursor PRIMARY KEY (consumer, producer, partition))""",
    """CREATE TABLE parked_event (
    tenant_id uuid NOT NULL, consumer text NOT NULL, producer text NOT NULL, xid xid8 NOT NULL, id uuid NOT NULL,
    event jsonb NOT NULL, attempts integer NOT NULL DEFAULT 0, error text NOT NULL DEFAULT '',
    retry_at timestamptz NOT NULL DEFAULT clock_timestamp(), create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_parked_event PRIMARY KEY (tenant_id, consumer, producer, xid, id))""",
    """CREATE TABLE audit_entry (
    tenant_id uuid NOT NULL, id uuid NOT NULL, xid xid8 NOT NULL DEFAULT pg_current_xact_id(), action text NOT NULL,
    subject_type text NOT NULL, subject_id uuid NOT NULL, actor_kind text NOT NULL, actor text NOT NULL,
    on_behalf_of uuid,
    request_id text NOT NULL, trace_id text NOT NULL, detail jsonb NOT NULL, note_hash bytea, content_hash bytea,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_audit_entry PRIMARY KEY (tenant_id, id))""",
    "CREATE INDEX ix_audit_entry_order ON audit_entry (tenant_id, xid, id)",
    "CREATE INDEX ix_audit_entry_subject ON audit_entry (tenant_id, subject_type, subject_id)",
    "CREATE INDEX ix_audit_entry_xid ON audit_entry (xid)",
    """CREATE TABLE audit_note (
    tenant_id uuid NOT NULL, entry_id uuid NOT NULL, note text NOT NULL,
    CONSTRAINT pk_audit_note PRIMARY KEY (tenant_id, entry_id))""",
    """CREATE TABLE audit_seal (
    tenant_id uuid NOT NULL, sequence bigint NOT NULL, entry_id uuid NOT NULL, hash bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_audit_seal PRIMARY KEY (tenant_id, sequence),
    CONSTRAINT uq_audit_seal_tenant_id_entry_id UNIQUE (tenant_id, entry_id))""",
    """CREATE TABLE idempotency (
    tenant_id uuid NOT NULL, actor text NOT NULL, method text NOT NULL, request_id text NOT NULL,
    request_hash bytea NOT NULL,
    reply_type text, reply jsonb, create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_idempotency PRIMARY KEY (tenant_id, actor, method, request_id))""",
)
