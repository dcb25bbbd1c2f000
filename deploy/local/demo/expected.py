"""What the script implies for every participant, computed slowly and apart from the services: the demo's oracle."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from deploy.local.demo.company import Company, Goal, Measure, Person
from deploy.local.demo.script import AMENDED_SCORE, Review, Script

GRADES = (("S", 100), ("A", 90), ("B", 75), ("C", 60), ("D", 0))
ORDER = tuple(grade for grade, _ in GRADES)
CURVE = ((0, 0), (Fraction("0.3"), 60), (Fraction("0.7"), 100), (1, 120))
CEILING, CENT = 120, Fraction(1, 100)
COLLECTION = (("0.95", 110), ("0.85", 100), ("0.7", 80), ("0", 50))
TASK_POINTS = {5: 110, 4: 100, 3: 85, 2: 60, 1: 30}
RELATIONS = {"business": {"manager": 100}, "research": {"self": 20, "manager": 80}, "support": {"manager": 100}}
Part = tuple[int, Fraction | None]  # weight, points; None where nothing was answered


@dataclass(frozen=True)
class Outcome:
    """What one participant must end with: score with two places, grade before and after calibration and appeal."""

    weighted: str
    scored_grade: str
    final: str
    grade: str


def expected_outcomes(company: Company, script: Script) -> dict[str, Outcome]:
    """Return the outcome of everybody by code."""
    steps = {move.code: move.steps for move in script.moves}
    return {person.code: _outcome(company, script, person, steps.get(person.code, 0)) for person in company.people}


def expected_distribution(outcomes: Mapping[str, Outcome]) -> dict[str, int]:
    """Return how many end with each grade, best first."""
    counted = Counter(outcome.grade for outcome in outcomes.values())
    return {grade: counted[grade] for grade in ORDER}


def moved_grade(grade: str, steps: int) -> str:
    """Return the grade some steps worse (positive) or better (negative), within the list."""
    return ORDER[max(0, min(len(ORDER) - 1, ORDER.index(grade) + steps))]


def _outcome(company: Company, script: Script, person: Person, steps: int) -> Outcome:
    actuals = {item: Fraction(value) for item, value in script.actuals[person.code].items()}
    ratings = _ratings(script, person)
    goals = [goal for goal in company.goals if goal.owner_code == person.code]
    exact = FAMILIES[person.family](actuals, ratings, goals)
    score = _rounded(max(Fraction(0), min(Fraction(CEILING), exact)))
    grade = "D" if actuals.get("extra/violation") else _grade(Fraction(score))
    calibrated = moved_grade(grade, steps)
    if person.code == script.appellant:
        return Outcome(score, grade, AMENDED_SCORE, _grade(Fraction(AMENDED_SCORE)))
    return Outcome(score, grade, score, calibrated)


def _ratings(script: Script, person: Person) -> Callable[[str, Mapping[int, int] | None], Fraction | None]:
    """Return how an item is rated: the weighted mean over the relations that answered in time."""
    reviews: dict[str, Review] = {
        "self": script.self_reviews[person.code],
        "manager": script.manager_reviews[person.code],
    }

    def rating(item: str, points: Mapping[int, int] | None = None) -> Fraction | None:
        parts: list[Part] = []
        for relation, weight in RELATIONS[person.family].items():
            review = reviews[relation]
            if review.when in ("in_time", "extended"):
                value = review.ratings[item]
                parts.append((weight, Fraction(points[value]) if points else Fraction(value * 100, 5)))
        return _mean(parts)

    return rating


def _business(actuals: Mapping[str, Fraction], rating: Callable[..., Fraction | None], _: list[Goal]) -> Fraction:
    revenue = min(actuals["performance/revenue"] / 1000 * 100, Fraction(120))
    collected = actuals["performance/collection"]
    collection = next(points for low, points in COLLECTION if collected >= Fraction(low))
    complaints = max(Fraction(0), 100 - 20 * actuals["performance/complaints"])
    ratio = actuals["performance/new_customers"] / 10
    customers = Fraction(120) if ratio >= Fraction("1.2") else ratio * 100
    performance = _mean([(40, revenue), (30, Fraction(collection)), (10, complaints), (20, customers)])
    conduct = _mean([(60, rating("conduct/customer_first")), (40, rating("conduct/teamwork"))])
    return _sure(_mean([(80, performance), (20, conduct)]))


def _research(actuals: Mapping[str, Fraction], rating: Callable[..., Fraction | None], goals: list[Goal]) -> Fraction:
    on_time = actuals["delivery/on_time"]
    delivered = (
        Fraction(0)
        if on_time < Fraction("0.7")
        else _line(((Fraction("0.7"), 60), (Fraction("0.9"), 100), (1, 120)), on_time)
    )
    incidents = max(Fraction(0), 100 - 25 * actuals["delivery/incidents"])
    delivery = _mean([(60, delivered), (40, incidents)])
    ability = _mean([(60, rating("ability/craft")), (40, rating("ability/sharing"))])
    bonus = min(Fraction(6), 2 * actuals["extra/patent"])
    return _sure(_mean([(50, _attained(goals)), (30, delivery), (20, ability)])) + bonus


def _support(actuals: Mapping[str, Fraction], rating: Callable[..., Fraction | None], goals: list[Goal]) -> Fraction:
    response = min(actuals["objectives/response"] / Fraction("0.95") * 100, Fraction(110))
    objectives = _mean([(40, _attained(goals)), (30, rating("objectives/tasks", TASK_POINTS)), (30, response)])
    return _sure(_mean([(60, objectives), (40, rating("service/satisfaction"))]))


FAMILIES = {"business": _business, "research": _research, "support": _support}


def _attained(goals: list[Goal]) -> Fraction | None:
    return _mean([(goal.weight, _mean([(m.weight, _measure(goal, m)) for m in goal.measures])) for goal in goals])


def _measure(goal: Goal, measure: Measure) -> Fraction:
    if goal.mode == "MBO":
        return Fraction(100 if measure.done else 0)
    value, target, baseline = Fraction(measure.value), Fraction(measure.target), Fraction(measure.baseline)
    return value / target * 100 if goal.mode == "KPI" else _line(CURVE, (value - baseline) / (target - baseline))


def _mean(parts: Iterable[Part]) -> Fraction | None:
    """Return the weighted mean of what is there; what is missing gives its weight to the rest."""
    there = [(weight, points) for weight, points in parts if points is not None]
    whole = sum(weight for weight, _ in there)
    return sum((weight * points for weight, points in there), Fraction(0)) / whole if whole else None


def _sure(value: Fraction | None) -> Fraction:
    if value is None:
        raise ValueError("the script leaves somebody without any answer")
    return value


def _line(points: Iterable[tuple[Fraction | int, int]], at: Fraction) -> Fraction:
    """Return the value on straight lines between points, level outside of them."""
    known = [(Fraction(x), Fraction(y)) for x, y in points]
    if at <= known[0][0]:
        return known[0][1]
    for (x0, y0), (x1, y1) in pairwise(known):
        if at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return known[-1][1]


def _rounded(value: Fraction) -> str:
    """Return two places, half up."""
    cents = (value / CENT + Fraction(1, 2)).__floor__()
    return f"{cents // 100}.{cents % 100:02}"


def _grade(score: Fraction) -> str:
    return next(grade for grade, low in GRADES if score >= low)
