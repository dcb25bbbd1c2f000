"""The embedded stack with its real servers: started, killed in parts and as a whole, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest
import redis
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from deploy.local import processes, temporal
from deploy.local.holding import ALREADY_RUNNING
from deploy.local.layout import REPOSITORY
from deploy.local.processes import Identity
from deploy.local.stack import Stack, StackFailed
from deploy.local.state import Progress
from deploy.local.waiting import until
from tests.deploy.conftest import MakeStack

pytestmark = pytest.mark.enable_socket


async def remember(stack: Stack, word: str) -> list[str]:
    """Write a row and read all."""
    connection = await asyncpg.connect(stack.wiring().admin_url)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS words (word text)")
        await connection.execute("INSERT INTO words VALUES ($1)", word)
        return [row["word"] for row in await connection.fetch("SELECT word FROM words ORDER BY word")]
    finally:
        await connection.close()


async def start_workflow(stack: Stack, workflow_id: str) -> None:
    client = await Client.connect(stack.address("temporal"), namespace=temporal.NAMESPACE)
    attributes = [SearchAttributePair(SearchAttributeKey.for_keyword(n), "x") for n in ("AttuneTenant", "AttuneState")]
    search_attributes = TypedSearchAttributes(attributes)
    await client.start_workflow("Any", id=workflow_id, task_queue="q", search_attributes=search_attributes)


async def describe_workflow(stack: Stack, workflow_id: str) -> str:
    client = await Client.connect(stack.address("temporal"), namespace=temporal.NAMESPACE)
    description = await client.get_workflow_handle(workflow_id).describe()
    return description.status.name if description.status else "UNKNOWN"


def processes_of(stack: Stack) -> list[psutil.Process]:
    return [process for process in processes.marked(str(stack.layout.root)) if process.is_running()]


def test_postgres_keeps_its_data_when_killed_and_when_restarted(make_stack: MakeStack) -> None:
    stack = make_stack("postgres")
    assert stack.start()
    assert asyncio.run(remember(stack, "a")) == ["a"]
    before = stack.address("postgres")
    killed = stack.kill("postgres")
    stack.wait_ready()
    assert stack.pid("postgres") != killed
    assert asyncio.run(remember(stack, "b")) == ["a", "b"]
    assert stack.stop()
    assert not processes_of(stack)
    assert stack.start()
    assert stack.address("postgres") == before
    assert asyncio.run(remember(stack, "c")) == ["a", "b", "c"]


def test_temporal_knows_namespace_and_attributes_and_survives_a_kill(make_stack: MakeStack) -> None:
    stack = make_stack("temporal")
    stack.start()
    asyncio.run(start_workflow(stack, "w1"))
    before = stack.address("temporal")
    stack.kill("temporal")
    stack.wait_ready()
    assert stack.address("temporal") == before
    assert asyncio.run(describe_workflow(stack, "w1")) == "RUNNING"


def test_two_stacks_run_side_by_side(make_stack: MakeStack) -> None:
    one, two = make_stack("postgres", "redis", name="one"), make_stack("postgres", "redis", name="two")
    one.start()
    two.start()
    assert one.address("redis") != two.address("redis")
    assert asyncio.run(remember(one, "one")) == ["one"]
    assert asyncio.run(remember(two, "two")) == ["two"]


def test_a_stand_in_serves_where_redis_is_missing_and_says_so(make_stack: MakeStack) -> None:
    told: list[Progress] = []
    stack = make_stack("redis", PATH="/nothing")
    stack.start(told.append)
    assert any("stand-in" in note for note in stack.running().notes)
    assert any("stand-in" in line.text for line in told)
    with redis.Redis.from_url(stack.address("redis")) as client:
        client.set("word", "a")
        assert client.get("word") == b"a"


def test_a_given_redis_is_used_instead(make_stack: MakeStack) -> None:
    stack = make_stack("redis", REDIS_URL="redis://:secret@cache.example:6379/3")
    stack.start()
    assert stack.environment("people")["REDIS_URL"] == "redis://:secret@cache.example:6379/3"
    assert "secret" not in str(stack.running().public())


def test_a_second_supervisor_refuses(make_stack: MakeStack) -> None:
    stack = make_stack("redis")
    stack.start()
    command = [sys.executable, "-m", "deploy.local.supervisor", "--data-dir", str(stack.layout.root), "--only", "redis"]
    second = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert second.returncode == ALREADY_RUNNING
    assert not Stack(stack.layout.root, only=["redis"]).start()
    stack.wait_ready()


def test_what_a_killed_supervisor_left_is_ended_before_a_new_start(make_stack: MakeStack) -> None:
    stack = make_stack("postgres", "redis", tied=False)
    stack.start()
    asyncio.run(remember(stack, "a"))
    left = [stack.pid("postgres"), stack.pid("redis")]
    identities = [found for found in map(Identity.of, left) if found]
    supervisor = stack.running().supervisor_identity()
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    until(lambda: not supervisor.is_alive(), 60, "the supervisor did not die")
    assert all(identity.is_alive() for identity in identities)
    again = make_stack("postgres", "redis")
    assert again.start()
    assert not any(identity.is_alive() for identity in identities)
    assert asyncio.run(remember(again, "b")) == ["a", "b"]


def test_stop_ends_what_a_killed_supervisor_left(make_stack: MakeStack) -> None:
    stack = make_stack("postgres", tied=False)
    stack.start()
    supervisor = stack.running().supervisor_identity()
    assert supervisor is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    until(lambda: not supervisor.is_alive(), 60, "the supervisor did not die")
    assert stack.stop()
    assert not processes_of(stack)
    assert not stack.stop()


MOMENTS = ("lock", "keys/issuer.pem", "postgres.new", "postgres/PG_VERSION", "run/.s.PGSQL.5432")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_first_start_killed_at_any_moment_can_be_repeated(make_stack: MakeStack, moment: str) -> None:
    stack = make_stack("postgres", "redis")
    command = [sys.executable, "-m", "deploy.local.supervisor", "--data-dir", str(stack.layout.root)]
    with subprocess.Popen([*command, "--ports", "free", "--only", "postgres,redis"], cwd=REPOSITORY) as supervisor:
        try:
            until((stack.layout.root / moment).exists, 120, f"{moment} did not appear")
        finally:
            supervisor.kill()
    assert stack.start()
    assert asyncio.run(remember(stack, "a")) == ["a"]


def test_a_tied_stack_ends_with_its_starter(tmp_path: Path) -> None:
    script = """
import os, sys
from deploy.local.stack import Stack
stack = Stack(sys.argv[1], "free", only=["postgres", "redis"], tied=True)
stack.start()
os._exit(9)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "stack")]
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 9
    stack = Stack(tmp_path / "stack")
    until(lambda: (state := stack.state()) is not None and state.state == "stopped", 30, "the stack did not end")
    until(lambda: not processes_of(stack), 10, "processes were left")


def test_a_long_path_still_gets_a_working_socket(make_stack: MakeStack) -> None:
    stack = make_stack("postgres", name="long" * 30)
    stack.start()
    assert asyncio.run(remember(stack, "a")) == ["a"]


def test_a_failed_start_says_why_and_leaves_nothing(make_stack: MakeStack) -> None:
    stack = make_stack("temporal", "postgres", TEMPORAL_ADDRESS="127.0.0.1:1")
    with pytest.raises(StackFailed, match=r"Temporal at 127\.0\.0\.1:1 cannot be used"):
        stack.start()
    assert not processes_of(stack)
    state = stack.state()
    assert state is not None
    assert state.state == "failed"


def test_a_held_process_stays_down_until_it_is_released(make_stack: MakeStack) -> None:
    stack = make_stack("postgres", "redis")
    stack.start()
    stack.hold("redis")
    assert not stack.running().all_ready()
    stack.kill("postgres")
    until(lambda: stack.running().processes["postgres"].state == "ready", 20, "postgres did not come back")
    assert stack.running().processes["redis"].state == "held"
    with pytest.raises(StackFailed, match="redis is not running"):
        stack.pid("redis")
    stack.release("redis")
    stack.wait_ready()
    with redis.Redis.from_url(stack.address("redis")) as client:
        assert client.ping()


def test_a_stack_that_runs_in_part_does_not_pass_for_the_whole(make_stack: MakeStack) -> None:
    stack = make_stack("redis")
    stack.start()
    with pytest.raises(StackFailed, match="runs without database, postgres"):
        Stack(stack.layout.root, only=["postgres", "database"]).start()


def test_asking_a_stack_that_does_not_run_says_so(make_stack: MakeStack) -> None:
    with pytest.raises(StackFailed, match="not running"):
        make_stack("redis").pid("redis")
