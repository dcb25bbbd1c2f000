"""Redis is gone for a whole cycle, and Temporal for a while in it: people go on working, and all comes out right."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from cli.client import Api, connect
from deploy.local.demo.ledger import Ledger
from deploy.local.stack import Stack
from tests.operations.company import SmallCompany
from tests.operations.restores import rows_are_well

pytestmark = pytest.mark.smoke

DOWN_SECONDS = 8


async def test_people_go_on_working_without_redis_and_without_temporal(chaos_stack: Stack, tmp_path: Path) -> None:
    ledger_file = tmp_path / "ledger.jsonl"
    await asyncio.to_thread(chaos_stack.hold, "redis")
    async with connect(chaos_stack.address("gateway")) as http:
        with closing(Ledger(ledger_file)) as ledger:
            company = SmallCompany(Api(http, patience=60.0), "无缓存公司", ledger)
            await company.found()
            await company.launch()
            await asyncio.to_thread(chaos_stack.hold, "temporal")
            assert await company.act("self_review") == 6
            admin = await company.caller("ADMIN")
            await admin.post(f"/cycles/{company.cycle_id}:pause", {"reason": "停电"})
            await admin.post(f"/cycles/{company.cycle_id}:resume", {"reason": "来电"})
            await asyncio.sleep(DOWN_SECONDS)
            assert (await company.stages())["self_review"] == "open"
            await asyncio.to_thread(chaos_stack.release, "temporal")
            await company.finish()
            assert await company.differences() == []
    await asyncio.to_thread(chaos_stack.release, "redis")
    await asyncio.to_thread(chaos_stack.wait_ready, 60.0)
    assert await rows_are_well(chaos_stack, ledger_file) == []
