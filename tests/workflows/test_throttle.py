"""Many events become few hints, and none is forgotten: the throttle against a plain account of what it was told."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from workflows.throttle import Cycle, Throttle

INTERVAL = 2.0
CYCLES: list[Cycle] = [("t", name) for name in "abc"]


class Account(RuleBasedStateMachine):
    """Events, hints on their way and deliveries in any order, with time that passes in between."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.throttle = Throttle(INTERVAL, lambda: self.now)
        self.open: dict[Cycle, list[int]] = {cycle: [] for cycle in CYCLES}  # events without a hint
        self.under_way: dict[Cycle, list[int]] = {}  # events whose hint was taken
        self.taken_at: dict[Cycle, float] = {}
        self.noted = 0

    @rule(cycle=st.sampled_from(CYCLES))
    def note(self, cycle: Cycle) -> None:
        self.noted += 1
        self.open[cycle].append(self.noted)
        self.throttle.note(cycle)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.9, 2.0, 7.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        free = {c for c in CYCLES if self.now >= self.taken_at.get(c, -INTERVAL) + INTERVAL}
        due = [cycle for cycle in CYCLES if self.open[cycle] and cycle in free and cycle not in self.under_way]
        assert sorted(self.throttle.take()) == due
        for cycle in due:
            self.under_way[cycle], self.open[cycle] = self.open[cycle], []
            self.taken_at[cycle] = self.now

    @precondition(lambda self: self.under_way)
    @rule(choice=st.integers(min_value=0, max_value=2))
    def deliver(self, choice: int) -> None:
        cycle = sorted(self.under_way)[choice % len(self.under_way)]
        del self.under_way[cycle]
        self.throttle.delivered(cycle)

    @precondition(lambda self: self.under_way)
    @rule(choice=st.integers(min_value=0, max_value=2))
    def fail(self, choice: int) -> None:
        cycle = sorted(self.under_way)[choice % len(self.under_way)]
        self.open[cycle] = self.under_way.pop(cycle) + self.open[cycle]
        self.throttle.failed(cycle)

    @invariant()
    def everything_before_the_settled_place_was_delivered(self) -> None:
        undelivered = [event for events in (*self.open.values(), *self.under_way.values()) for event in events]
        assert self.throttle.noted == self.noted
        assert self.throttle.settled == min(undelivered, default=self.noted + 1) - 1

    @invariant()
    def it_wakes_when_the_next_hint_is_due(self) -> None:
        """Never too late for a hint that may be taken, and not at once, again and again, for one that may not."""
        waits = [
            max(0.0, self.taken_at.get(cycle, -INTERVAL) + INTERVAL - self.now)
            for cycle, events in self.open.items()
            if events and cycle not in self.under_way
        ]
        assert self.throttle.seconds_to_next() == min(waits, default=None)


Account.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestAccount = Account.TestCase
