"""The steps of a start as a table: what each needs first, and in which order processes are stopped."""

from __future__ import annotations

from collections.abc import Mapping

from deploy.names import SERVICES

# Not a process: roles, schemas and migrations.
DATABASE_STEP = "database"

# Keeps traces of this machine's stack; starts only when it is asked for.
COLLECTOR = "collector"
OPTIONAL = (COLLECTOR,)

# What must be ready before a step begins. The order of the keys is the order in which a person reads them.
NEEDS: Mapping[str, tuple[str, ...]] = {
    COLLECTOR: (),
    "postgres": (),
    "redis": (),
    "temporal": (),
    DATABASE_STEP: ("postgres",),
    **dict.fromkeys(SERVICES, (DATABASE_STEP, "redis")),
    "gateway": SERVICES,
    "worker": ("temporal", *SERVICES),
    "bridge": ("temporal", *SERVICES),
}
EVERY_PROCESS = tuple(step for step in NEEDS if step != DATABASE_STEP)
PROCESSES = tuple(step for step in EVERY_PROCESS if step not in OPTIONAL)

# The groups in which processes are stopped, each together: what others call ends after its callers.
STOP_ORDER: tuple[tuple[str, ...], ...] = (
    ("gateway", "worker", "bridge"),
    SERVICES,
    ("temporal", "redis"),
    ("postgres", COLLECTOR),
)


def with_needs(wanted: frozenset[str]) -> frozenset[str]:
    """The wanted steps and all that they need. Raises ValueError for a name that is none."""
    unknown = wanted - NEEDS.keys()
    if unknown:
        raise ValueError(f"unknown process: {', '.join(sorted(unknown))}; known are {', '.join(NEEDS)}")
    everything = wanted
    while (grown := everything.union(*(NEEDS[step] for step in everything))) != everything:
        everything = grown
    return everything
