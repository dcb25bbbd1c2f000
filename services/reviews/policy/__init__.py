"""Who may see and do what in reviews: access to RPCs, and visibility of rows."""

from services.reviews.policy.access import OUTCOME_ACCESS, RPC_ACCESS, TASK_ACCESS
from services.reviews.policy.cycles import holds_for_tenant, require_administrator, require_extender
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
    "RPC_ACCESS",
    "TASK_ACCESS",
    "Columns",
    "Facts",
    "acting_for",
    "can",
    "holds_for_tenant",
    "require",
    "require_administrator",
    "require_extender",
    "where",
]
