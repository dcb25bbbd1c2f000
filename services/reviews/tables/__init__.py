"""Every table of the schema `reviews`; import them from here."""

from services.reviews.tables.cycle import cycle, cycle_day, stage
from services.reviews.tables.definition import cycle_schedule, form, template, template_version
from services.reviews.tables.outcome import actual, appeal, interview, provider
from services.reviews.tables.participant import UNSCORED, participant, rater
from services.reviews.tables.registry import SCHEMA, metadata
from services.reviews.tables.stalls import absence, departure, undelivered
from services.reviews.tables.task import OWED, sign_off, submission, task

SYSTEM_TABLES = frozenset({"cycle", "cycle_schedule"})
"""Tables that the role `reviews_system` reads across tenants, beside those of the runtime."""

__all__ = [
    "OWED",
    "SCHEMA",
    "SYSTEM_TABLES",
    "UNSCORED",
    "absence",
    "actual",
    "appeal",
    "cycle",
    "cycle_day",
    "cycle_schedule",
    "departure",
    "form",
    "interview",
    "metadata",
    "participant",
    "provider",
    "rater",
    "sign_off",
    "stage",
    "submission",
    "task",
    "template",
    "template_version",
    "undelivered",
]
