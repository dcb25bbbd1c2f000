"""Why something waits: ordered tuples of named checks over facts gathered once; the tuples are the specification."""

from services.reviews.domain.stalls.cycle_checks import stalls_of_cycle
from services.reviews.domain.stalls.facts import (
    Assignee,
    CycleFacts,
    HeldBarrier,
    MissingActuals,
    Remedy,
    Stall,
    TaskFacts,
    Unscored,
)
from services.reviews.domain.stalls.task_checks import stalls_of_task

__all__ = [
    "Assignee",
    "CycleFacts",
    "HeldBarrier",
    "MissingActuals",
    "Remedy",
    "Stall",
    "TaskFacts",
    "Unscored",
    "stalls_of_cycle",
    "stalls_of_task",
]
