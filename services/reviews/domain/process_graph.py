"""The process as a graph: whether it can start, whether it can end, and in which order its stages stand."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from services.reviews.domain.findings import Finding, error
from services.reviews.domain.model import Advance, Barrier, OnTimeout, StageDefinition, StageKind
from services.reviews.domain.nearest import nearest

Process = Sequence[StageDefinition]
NEEDS_ALL = frozenset({StageKind.CALIBRATION, StageKind.RELEASE, StageKind.APPEALS})
"""Kinds that judge people against one another, or speak to all at once: nobody may still be on the way."""

MUST_FOLLOW: Mapping[StageKind, frozenset[StageKind]] = {
    StageKind.CALIBRATION: frozenset({StageKind.MANAGER_REVIEW}),
    StageKind.RELEASE: frozenset({StageKind.MANAGER_REVIEW}),
    StageKind.ACKNOWLEDGEMENT: frozenset({StageKind.RELEASE}),
    StageKind.APPEALS: frozenset({StageKind.RELEASE}),
    StageKind.INTERVIEW: frozenset({StageKind.RELEASE}),
}
ONCE = frozenset({StageKind.MANAGER_REVIEW, StageKind.CALIBRATION, StageKind.RELEASE, StageKind.APPEALS})


def graph_findings(process: Process) -> Iterator[Finding]:
    """Everything that is wrong with the graph itself."""
    yield from _keys_are_unique(process)
    yield from _predecessors_exist(process)
    circle = stages_in_a_circle(process)
    if circle:
        first = min(circle, key=[stage.key for stage in process].index)
        circle = (*circle[circle.index(first) :], *circle[: circle.index(first)])
        words = " → ".join((*circle, first))
        yield error("PROCESS_CYCLE", _pointer(process, circle[0], "/after"), circle[0], stages=words)
    reachable = reachable_stages(process)
    for stage in process:
        if stage.key not in reachable and stage.key not in circle:
            yield error("STAGE_UNREACHABLE", _pointer(process, stage.key, "/after"), stage.key, stage=stage.key)
    yield from _stages_can_end(process)
    yield from _order_of_kinds(process)


def stages_in_a_circle(process: Process) -> tuple[str, ...]:
    """One circle of stages that wait for one another, in the order of waiting; empty when there is none."""
    after = {stage.key: stage.after for stage in process}
    done: set[str] = set()
    for start in after:
        path: list[str] = []
        if (circle := _walk(start, after, done, path)) is not None:
            return circle
    return ()


def _walk(key: str, after: Mapping[str, Sequence[str]], done: set[str], path: list[str]) -> tuple[str, ...] | None:
    if key in path:
        return tuple(reversed(path[path.index(key) :]))
    if key in done or key not in after:
        return None
    path.append(key)
    for before in after[key]:
        if (circle := _walk(before, after, done, path)) is not None:
            return circle
    path.pop()
    done.add(key)
    return None


def reachable_stages(process: Process) -> frozenset[str]:
    """Stages that open some day: those whose predecessors all exist and open some day themselves."""
    return frozenset(stage.key for stage in in_order(process))


def in_order(process: Process) -> tuple[StageDefinition, ...]:
    """The reachable stages, each after all its predecessors, otherwise as written."""
    ordered: list[StageDefinition] = []
    placed: set[str] = set()
    waiting = list(process)
    while ready := [stage for stage in waiting if placed.issuperset(stage.after)]:
        ordered += ready
        placed.update(stage.key for stage in ready)
        waiting = [stage for stage in waiting if stage.key not in placed]
    return tuple(ordered)


def is_plannable(process: Process) -> bool:
    """Whether every stage opens some day, so that each can be given a window."""
    return len(in_order(process)) == len(process)


def stages_before(process: Process, key: str) -> frozenset[str]:
    """All stages that must be settled before this one, directly or not."""
    after = {stage.key: stage.after for stage in process}
    found: set[str] = set()
    waiting = list(after.get(key, ()))
    while waiting:
        before = waiting.pop()
        if before not in found:
            found.add(before)
            waiting += after.get(before, ())
    return frozenset(found)


def _keys_are_unique(process: Process) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, stage in enumerate(process):
        if stage.key in seen:
            yield error(
                "KEY_NOT_UNIQUE", f"/process/{index}/key", stage.key, key=stage.key, what="stage", what_zh="环节"
            )
        seen.add(stage.key)


def _predecessors_exist(process: Process) -> Iterator[Finding]:
    keys = [stage.key for stage in process]
    for index, stage in enumerate(process):
        for before in stage.after:
            if before not in keys:
                hint = nearest(before, keys)
                yield error(
                    "UNKNOWN_STAGE",
                    f"/process/{index}/after",
                    stage.key,
                    stage=stage.key,
                    found=before,
                    known=", ".join(keys),
                    hint=f"did you mean {hint}? " if hint else "",
                    hint_zh=f"是否指 {hint}？" if hint else "",
                )


def _stages_can_end(process: Process) -> Iterator[Finding]:
    for index, stage in enumerate(process):
        pointer = f"/process/{index}"
        if stage.length.amount == 0 and stage.closes_at is None:
            yield error("STAGE_ENDLESS", f"{pointer}/length", stage.key, stage=stage.key)
        if stage.on_timeout is OnTimeout.ESCALATE and stage.escalation is None:
            yield error("STAGE_WITHOUT_EXIT", f"{pointer}/on_timeout", stage.key, stage=stage.key)
        if stage.kind in NEEDS_ALL and (stage.barrier is not Barrier.ALL or stage.advance is not Advance.TOGETHER):
            field = "barrier" if stage.barrier is not Barrier.ALL else "advance"
            yield error("BARRIER_NEEDS_ALL", f"{pointer}/{field}", stage.key, stage=stage.key, kind=stage.kind.value)
        if stage.kind is StageKind.APPROVAL and not stage.options.get("levels"):
            yield error("STAGE_WITHOUT_OWNER", pointer, stage.key, stage=stage.key, field="levels")
        if stage.kind is StageKind.CUSTOM and not stage.options.get("owner"):
            yield error("STAGE_WITHOUT_OWNER", pointer, stage.key, stage=stage.key, field="owner")


def _order_of_kinds(process: Process) -> Iterator[Finding]:
    kinds = {stage.key: stage.kind for stage in process}
    for index, stage in enumerate(process):
        needed = MUST_FOLLOW.get(stage.kind, frozenset())
        passed = {kinds[key] for key in stages_before(process, stage.key) if key in kinds}
        for kind in sorted(needed - passed):
            facts = {"stage": stage.key, "kind": stage.kind.value, "needed": kind.value}
            yield error("STAGE_OUT_OF_ORDER", f"/process/{index}/after", stage.key, **facts)
        if stage.kind in ONCE and [other.kind for other in process[:index]].count(stage.kind):
            yield error("STAGE_KIND_TWICE", f"/process/{index}/kind", stage.key, stage=stage.key, kind=stage.kind.value)


def _pointer(process: Process, key: str, field: str) -> str:
    keys: Iterable[str] = [stage.key for stage in process]
    return f"/process/{list(keys).index(key)}{field}"
