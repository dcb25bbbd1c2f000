"""Who may see and do what in reviews: access to RPCs, and visibility of rows."""

from services.reviews.policy.access import OUTCOME_ACCESS, TASK_ACCESS
from services.reviews.policy.visibility import (
    Columns,
    Facts,
    acting_for,
    can,
    require,
    where,
)

__all__ = [
    "OUTCOME_ACCESS",
    "TASK_ACCESS",
    "Columns",
    "Facts",
    "acting_for",
    "can",
    "require",
    "where",
]
