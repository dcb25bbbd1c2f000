"""What operators are shown that several services know together."""

from datetime import datetime
from typing import Any

from pydantic import Field, create_model

from protos.engine.v1 import engine_pb2
from protos.reviews.v1 import cycles_pb2
from services.gateway.schemas.fields import View
from services.gateway.schemas.views import view


class NextEvent(View):
    """What time will do next, by the rows as they stand."""

    at: datetime
    action: str
    stage: str | None = None


_STAGES: Any = list.__class_getitem__(view(cycles_pb2.Stage))
_LAGS: Any = list.__class_getitem__(view(engine_pb2.Lag))

CycleEngine = create_model(
    "CycleOperations",
    __base__=view(engine_pb2.CycleEngine),
    cycle_id=(str, Field(description="The cycle.")),
    stages=(_STAGES, Field(description="Its stages, in order.")),
    next=(NextEvent | None, Field(default=None, description="What time will do next; absent when nothing.")),
)
Lags = create_model(
    "Lags",
    __base__=View,
    lags=(_LAGS, Field(description="The bridge and every consumer, on each log that it follows.")),
    silent=(list[str], Field(description="Processes that do not answer, so that nothing is known of them.")),
)
