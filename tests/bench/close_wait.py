"""How long who closes a stage waits while 24 writers submit, through the real RPCs; that none is late is a test."""

from collections.abc import Sequence

from services.runtime.identity import Metadata, Principal
from services.runtime.serve import open_channel
from tests.bench import commands
from tests.bench.figures import Figure, at_most, median
from tests.bench.standing import Standing
from tests.reviews.races import WITNESS, Outcome, Race

WRITERS, TASKS_EACH = 24, 60
HEAD_START = 0.5  # seconds of writing before the close
RUNS, QUICK_RUNS = 10, 3
GATE = 1.0  # seconds


async def measure(standing: Standing, quick: bool) -> list[Figure]:
    """Race after race; each closer must have closed while every writer still wrote, and nobody may have been late."""
    signer = standing.signer("gateway")

    def sign(principal: Principal) -> Metadata:
        return (("authorization", f"Bearer {signer.for_user(principal)}"),)

    async with standing.admin() as admin:
        await admin.execute(WITNESS)
    outcomes: list[Outcome] = []
    async with (
        standing.database("reviews") as database,
        open_channel(standing.stack.address("reviews")) as channel,
    ):
        for _ in range(QUICK_RUNS if quick else RUNS):
            race = await Race(channel, sign, database, WRITERS, TASKS_EACH).prepare()
            outcomes.append(await race.run(HEAD_START))
    assert all(outcome.late == 0 for outcome in outcomes), "a submission was late"
    assert all(outcome.refused == WRITERS for outcome in outcomes), "writers had nothing left to write"
    return [_figure(outcomes)]


def _figure(outcomes: Sequence[Outcome]) -> Figure:
    waits = [outcome.wait_seconds for outcome in outcomes]
    gate, met = at_most(max(waits), GATE)
    ours = f"median {median(waits) * 1e3:.0f} ms, longest {max(waits) * 1e3:.0f} ms"
    against = f"{median(sum(outcome.accepted) for outcome in outcomes):.0f} submissions before each close"
    return Figure(
        "B3", f"close while {WRITERS} write", f"{max(waits):.3f} s", ours, against, len(waits), f"{gate} s", met
    )


if __name__ == "__main__":
    commands.run(measure)
