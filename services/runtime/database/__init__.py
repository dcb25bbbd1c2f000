"""PostgreSQL: engines, transactions bound to a tenant, the unit of work, and what migrations need."""

from services.runtime.database.engine import Database
from services.runtime.database.migration import migration_environment, upgrade
from services.runtime.database.runner import Runner
from services.runtime.database.schema import (
    DETERMINISTIC_ID_FUNCTION_DDL,
    INLINED_DETERMINISTIC_ID_DDL,
    log_offset_ddl,
    metadata,
    row_level_security_ddl,
    runtime_tables_ddl,
)
from services.runtime.database.trust import certificate_told
from services.runtime.database.work import Work, WorkFactory
from services.runtime.identity import Origin

__all__ = [
    "DETERMINISTIC_ID_FUNCTION_DDL",
    "INLINED_DETERMINISTIC_ID_DDL",
    "Database",
    "Origin",
    "Runner",
    "Work",
    "WorkFactory",
    "certificate_told",
    "log_offset_ddl",
    "metadata",
    "migration_environment",
    "row_level_security_ddl",
    "runtime_tables_ddl",
    "upgrade",
]
