"""The same cycle with kill -9 of reviews, worker, Temporal and PostgreSQL ends with the same results."""

from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests.campaign import Campaign, seeded_plan

pytestmark = pytest.mark.smoke


async def test_a_cycle_without_faults_ends_as_the_script_implies(chaos_stack: Stack, tmp_path: Path) -> None:
    campaign = Campaign(chaos_stack, tmp_path / "ledger.jsonl")
    assert await campaign.play() == [], campaign.told


@pytest.mark.parametrize("seed", [11, 23, 37])
async def test_a_cycle_that_is_killed_ends_with_the_same_results(seed: int, chaos_stack: Stack, tmp_path: Path) -> None:
    plan = seeded_plan(seed)
    campaign = Campaign(chaos_stack, tmp_path / "ledger.jsonl", plan, pace=1.3)
    assert await campaign.play() == [], f"seed {seed}, plan {plan}, told {campaign.told}"
