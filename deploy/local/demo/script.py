"""What everybody of the sample company will do in the cycle: decided beforehand, so that the outcome can be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal

from deploy.local.demo.company import Company, Person

When = Literal["in_time", "extended", "late", "never"]
Opinion = Literal["agree", "disagree", "none"]

RATED: Mapping[str, tuple[str, ...]] = {
    "business": ("conduct/customer_first", "conduct/teamwork"),
    "research": ("ability/craft", "ability/sharing"),
    "support": ("objectives/tasks", "service/satisfaction"),
}
ACTUALS: Mapping[str, tuple[str, ...]] = {
    "business": (
        *("performance/revenue", "performance/collection", "performance/complaints", "performance/new_customers"),
    ),
    "research": ("delivery/on_time", "delivery/incidents", "extra/patent", "extra/violation"),
    "support": ("objectives/response",),
}
NARRATIVE: Mapping[str, str] = {"support": "reflection/summary"}  # asked in the form, read by people, never scored
LATE_SELF, NEVER_SELF, LATE_MANAGER, NEVER_MANAGER = 6, 9, 2, 3
DISAGREE, NO_ANSWER = 8, 14
AMENDED_SCORE = "100.50"


@dataclass(frozen=True)
class Review:
    """One review of one participant: when it is submitted, and the rating of each item, 1 to 5."""

    when: When
    ratings: Mapping[str, int]


@dataclass(frozen=True)
class Move:
    """A move in calibration: one grade up or down, by the distance in the list of grades."""

    code: str
    steps: int
    reason: str


@dataclass(frozen=True)
class Script:
    """Everything that the crowd will do."""

    self_reviews: Mapping[str, Review]  # by participant
    manager_reviews: Mapping[str, Review]  # by participant
    actuals: Mapping[str, Mapping[str, str]]  # by participant and item
    moves: tuple[Move, ...]
    acknowledgements: Mapping[str, Opinion]
    leaver: str  # a team lead who leaves during the manager review
    leaver_rates: frozenset[str]  # whom the leaver rated before leaving
    appellant: str
    interviewed: frozenset[str]

    @property
    def extended(self) -> tuple[str, ...]:
        """Return whose self review is extended by HR."""
        return tuple(code for code, review in self.self_reviews.items() if review.when == "extended")

    def rater_of(self, company: Company, code: str) -> str:
        """Return who rates a participant in the end: the manager, or the leaver's own manager for those left behind."""
        manager = company.person(code).manager_code
        return (
            company.person(self.leaver).manager_code
            if manager == self.leaver and code not in self.leaver_rates
            else manager
        )


def write_script(company: Company, seed: int = 7) -> Script:
    """Return what will happen; the same seed gives the same script."""
    random = Random(seed)  # noqa: S311  a made-up crowd, not a secret
    staff = [person.code for person in company.people]
    leaver = next(p for p in company.people if p.level == "M1" and p.family == "business").code
    team = [person.code for person in company.reports_of(leaver)]
    others = [code for code in staff if code not in {leaver, *team} and company.person(code).level.startswith("P")]
    drawn = iter(random.sample(others, 2 + LATE_SELF + NEVER_SELF + LATE_MANAGER + NEVER_MANAGER + 6 + 1))

    def take(count: int) -> frozenset[str]:
        return frozenset(next(drawn) for _ in range(count))

    extended, late, never = take(2), take(LATE_SELF), take(NEVER_SELF)
    late_manager, never_manager = take(LATE_MANAGER), take(NEVER_MANAGER)
    moved, appellant = sorted(take(6)), next(iter(take(1)))
    opinions = _opinions(staff, random, {leaver}, appellant)
    return Script(
        self_reviews=_reviews(company, random, {"extended": extended, "late": late, "never": never}),
        manager_reviews=_reviews(company, random, {"late": late_manager, "never": never_manager}),
        actuals={person.code: _actuals(person, random) for person in company.people},
        moves=tuple(
            Move(code, (-1, 1)[index % 2], "与同级相比，产出更接近相邻等级") for index, code in enumerate(moved)
        ),
        acknowledgements=opinions,
        leaver=leaver,
        leaver_rates=frozenset(team[:2]),
        appellant=appellant,
        interviewed=frozenset(p.code for p in company.people if p.department.endswith(("财务部", "大客户部"))),
    )


def _reviews(company: Company, random: Random, unusual: Mapping[When, frozenset[str]]) -> dict[str, Review]:
    when: dict[str, When] = {code: kind for kind, codes in unusual.items() for code in codes}
    return {
        person.code: Review(
            when.get(person.code, "in_time"),
            {item: random.choices((5, 4, 3, 2), (3, 5, 3, 1))[0] for item in RATED[person.family]},
        )
        for person in company.people
    }


def _actuals(person: Person, random: Random) -> dict[str, str]:
    drawn = {
        "performance/revenue": str(random.randint(600, 1350)),
        "performance/collection": f"0.{random.randint(60, 99)}",
        "performance/complaints": str(random.choice((0, 0, 0, 1, 1, 2))),
        "performance/new_customers": str(random.randint(5, 14)),
        "delivery/on_time": f"0.{random.randint(70, 99)}",
        "delivery/incidents": str(random.choice((0, 0, 0, 1, 2))),
        "extra/patent": str(random.choice((0, 0, 0, 1, 4))),
        "extra/violation": "1" if random.random() < 0.01 else "0",
        "objectives/response": f"0.{random.randint(80, 99)}",
    }
    return {item: drawn[item] for item in ACTUALS[person.family]}


def _opinions(staff: list[str], random: Random, silent: set[str], appellant: str) -> dict[str, Opinion]:
    drawn = random.sample([code for code in staff if code not in silent and code != appellant], DISAGREE + NO_ANSWER)
    opinions: dict[str, Opinion] = dict.fromkeys(staff, "agree")
    opinions.update(dict.fromkeys(drawn[:DISAGREE], "disagree"))
    opinions.update(dict.fromkeys((*drawn[DISAGREE:], *silent), "none"))
    return opinions
