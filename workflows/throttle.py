"""Turns many events of a cycle into few hints: the first at once, then at most one in each interval."""

from collections.abc import Callable

Cycle = tuple[str, str]  # tenant, cycle


class Throttle:
    """Knows which hints are due, and up to which event everything has been delivered; does no input or output.

    `interval` and the clock are in seconds. A hint that could not be delivered is due again after the interval.
    """

    def __init__(self, interval: float, clock: Callable[[], float]) -> None:
        self._interval = interval
        self._clock = clock
        self._last: dict[Cycle, float] = {}  # when a cycle's latest hint was taken
        self._waiting: dict[Cycle, int] = {}  # ordinal of the oldest event without a hint
        self._taken: dict[Cycle, int] = {}  # the same, of hints on their way
        self._ordinal = 0

    def note(self, cycle: Cycle) -> None:
        """Take note of an event that concerns a cycle."""
        self._ordinal += 1
        self._waiting.setdefault(cycle, self._ordinal)

    def take(self) -> list[Cycle]:
        """The hints that are due now; each is to be answered by `delivered` or `failed`."""
        now = self._clock()
        self._last = {cycle: at for cycle, at in self._last.items() if at + self._interval > now}
        due = [cycle for cycle in self._waiting if cycle not in self._last and cycle not in self._taken]
        for cycle in due:
            self._last[cycle] = now
            self._taken[cycle] = self._waiting.pop(cycle)
        return due

    def delivered(self, cycle: Cycle) -> None:
        """A hint reached the engine; events noted since it was taken wait for the next one."""
        self._taken.pop(cycle, None)

    def failed(self, cycle: Cycle) -> None:
        """A hint did not reach the engine."""
        ordinal = self._taken.pop(cycle, None)
        if ordinal is not None:
            self._waiting[cycle] = min(ordinal, self._waiting.get(cycle, ordinal))

    def seconds_to_next(self) -> float | None:
        """How long until a waiting hint is due; none when none waits but for one on its way."""
        now = self._clock()
        waiting = self._waiting.keys() - self._taken.keys()
        due = [self._last[cycle] + self._interval if cycle in self._last else now for cycle in waiting]
        return max(0.0, min(due) - now) if due else None

    @property
    def noted(self) -> int:
        """Ordinal of the latest event."""
        return self._ordinal

    @property
    def settled(self) -> int:
        """Ordinal up to which each event's hint has been delivered."""
        return min((*self._waiting.values(), *self._taken.values()), default=self._ordinal + 1) - 1
