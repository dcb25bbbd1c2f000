"""What the engine knows of task queues: who asked for work on them, and when last."""

import asyncio
from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from protos.engine.v1 import engine_pb2 as pb
from workflows import messages

WORK = (TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW)  # the kinds of it


async def list_queues(engine: Client) -> list[pb.Queue]:
    """Return each queue as the kind of work sees it that has been asked for longest ago."""
    return list(await asyncio.gather(*(_queue(engine, name) for name in messages.QUEUES)))


async def pollers_of(engine: Client, queue: str, kind: TaskQueueType.ValueType) -> Sequence[PollerInfo]:
    """Return who asked a queue for work of a kind in the last minutes."""
    request = DescribeTaskQueueRequest(
        namespace=engine.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
    )
    return (await engine.workflow_service.describe_task_queue(request)).pollers


async def _queue(engine: Client, name: str) -> pb.Queue:
    kinds = WORK if name == messages.CYCLE_QUEUE else (TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,)
    polled = [[each.last_access_time for each in await pollers_of(engine, name, kind)] for kind in kinds]
    queue = pb.Queue(name=name, pollers=min(len(each) for each in polled))
    if all(polled):
        queue.poll_time.CopyFrom(
            min((max(each, key=Timestamp.ToNanoseconds) for each in polled), key=Timestamp.ToNanoseconds)
        )
    return queue
