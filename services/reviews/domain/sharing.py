"""Which answers of others a rater is shown, by the default of product.md §2 and the exceptions of the template."""

from collections.abc import Mapping
from typing import Any

from services.reviews.domain.model import ENDED_STAGE_STATES, StageState, TaskKind

SEES_SELF_REVIEW = {TaskKind.MANAGER_REVIEW: "manager"}
"""Kinds of tasks whose assignee is shown the self review, and their name in the template; peers never are."""


def self_review_is_shown(
    form: Mapping[str, Any] | None, kind: TaskKind, self_stage: StageState, *, released: bool
) -> bool:
    """Whether the assignee of a task of this kind is shown the submitted self review at this moment."""
    reader = SEES_SELF_REVIEW.get(kind)
    if reader is None:
        return False
    for rule in (form or {}).get("visibility", ()):
        if rule["what"] == "self_review" and reader in rule["to"]:
            return _has_come(rule["when"], self_stage, released=released)
    return True


def _has_come(when: str, stage: StageState, *, released: bool) -> bool:
    if when == "never":
        return False
    if when == "after_release":
        return released
    return when == "during" or stage in ENDED_STAGE_STATES or stage is StageState.SETTLING
