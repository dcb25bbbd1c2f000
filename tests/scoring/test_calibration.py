"""Grades, quotas, groups and the rules of a session."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scoring.domain import calibration
from services.scoring.domain.calibration import Member, Move
from services.scoring.domain.errors import (
    Denied,
    FormInvalid,
    GradeUnknown,
    GuidelineMissed,
    InvalidInput,
    OwnRow,
    ReasonRequired,
)
from services.scoring.domain.grades import DEFAULT_GRADES, read_grades
from services.scoring.domain.quota import Guideline, GuidelineMode, pool_departments, quota, read_guideline

QUOTAS = {"S": Fraction(20), "A": Fraction(70), "B": Fraction(10)}
ENFORCED = Guideline(GuidelineMode.ENFORCE, QUOTAS)


def member(number: int, score: str, grade: str = "") -> Member:
    value = Decimal(score)
    graded = grade or DEFAULT_GRADES.of(value).code
    return Member(UUID(int=number), UUID(int=1000 + number), value, graded, value, graded)


def test_seventeen_people_at_twenty_seventy_ten() -> None:
    assert list(quota(17, QUOTAS).values()) == [3, 12, 2]


@given(st.integers(0, 500), st.dictionaries(st.sampled_from("SABCD"), st.integers(1, 100), min_size=1))
def test_a_quota_gives_everybody_a_grade_and_misses_its_share_by_less_than_one(
    size: int, shares: dict[str, int]
) -> None:
    exact = {grade: Fraction(share) for grade, share in shares.items()}
    counts = quota(size, exact)
    assert sum(counts.values()) == size
    whole = sum(exact.values())
    assert all(abs(counts[grade] - size * share / whole) < 1 for grade, share in exact.items())


@pytest.mark.parametrize(
    ("score", "grade"), [("95", "S"), ("94.99", "A"), ("85", "A"), ("70.00", "B"), ("59.99", "D"), ("0", "D")]
)
def test_thresholds_are_inclusive_lower_bounds(score: str, grade: str) -> None:
    assert DEFAULT_GRADES.of(Decimal(score)).code == grade


def test_a_veto_makes_a_grade_worse_and_never_better() -> None:
    assert DEFAULT_GRADES.of(Decimal(95), "C").code == "C"
    assert DEFAULT_GRADES.of(Decimal(10), "C").code == "D"


@pytest.mark.parametrize(
    "grades",
    [
        [{"grade": "A", "from": 80}, {"grade": "B", "from": 10}],
        [{"grade": "A", "from": 80}, {"grade": "B", "from": 80}, {"grade": "C", "from": 0}],
        [{"grade": "A", "from": 10}, {"grade": "B", "from": 80}, {"grade": "C", "from": 0}],
        [{"grade": "A", "from": 80}, {"grade": "A", "from": 0}],
    ],
)
def test_gaps_overlaps_and_double_names_are_refused(grades: list[dict[str, object]]) -> None:
    with pytest.raises(FormInvalid):
        read_grades(grades)


def test_grades_and_guideline_are_read_as_reviews_writes_them() -> None:
    scale = read_grades([{"grade": "A", "from": "80", "coefficient": "1.25"}, {"grade": "B", "from": "0"}])
    assert [(each.code, each.start, each.coefficient) for each in scale.grades] == [
        ("A", Decimal(80), Decimal("1.25")),
        ("B", Decimal(0), Decimal(1)),
    ]
    guideline = read_guideline({"mode": "reason_required", "quotas": {"A": "30%", "B": 70}})
    assert guideline == Guideline(GuidelineMode.REASON_REQUIRED, {"A": Fraction(30), "B": Fraction(70)}, 10)


def test_small_departments_pool_upwards_and_the_rest_is_shown() -> None:
    paths = [("r", "a")] * 10 + [("r", "b")] * 4 + [("r", "b", "x")] * 5 + [("r", "c")] * 12
    groups = pool_departments(paths, 10)
    assert {path: (group.path, group.size, group.pooled) for path, group in groups.items()} == {
        ("r", "a"): (("r", "a"), 10, False),
        ("r", "c"): (("r", "c"), 12, False),
        ("r", "b"): (("r",), 9, True),
        ("r", "b", "x"): (("r",), 9, True),
    }


department_paths = st.lists(st.sampled_from("ab"), max_size=4).map(lambda tail: ("r", *tail))


@given(st.lists(department_paths, max_size=60), st.integers(1, 15))
def test_every_group_is_large_enough_or_pooled_and_holds_everybody_once(
    paths: list[tuple[str, ...]], minimum: int
) -> None:
    groups = pool_departments(paths, minimum)
    assert all(path[: len(group.path)] == group.path for path, group in groups.items())
    assert all(group.pooled == (group.size < minimum) for group in groups.values())
    assert Counter(groups[path].path for path in paths) == {group.path: group.size for group in groups.values()}


def test_nobody_sees_or_moves_their_own_row() -> None:
    people = (member(1, "90"), member(2, "80"))
    assert calibration.others_only(people, UUID(int=1001)) == (people[1],)
    with pytest.raises(OwnRow):
        calibration.moved(people[0], grade="S", score=None, scale=DEFAULT_GRADES, mover=UUID(int=1001))


def test_a_move_changes_the_grade_and_the_score_only_where_asked() -> None:
    before = member(1, "90")
    assert calibration.moved(before, grade="B", score=None, scale=DEFAULT_GRADES, mover=None) == replace(
        before, grade="B"
    )
    rescored = calibration.moved(before, grade="", score=Decimal(96), scale=DEFAULT_GRADES, mover=None)
    assert (rescored.score, rescored.grade, rescored.weighted, rescored.scored_grade) == (
        Decimal(96),
        "S",
        Decimal(90),
        "A",
    )
    with pytest.raises(GradeUnknown):
        calibration.moved(before, grade="Z", score=None, scale=DEFAULT_GRADES, mover=None)
    with pytest.raises(InvalidInput):
        calibration.moved(before, grade="", score=None, scale=DEFAULT_GRADES, mover=None)
    with pytest.raises(InvalidInput):
        calibration.moved(before, grade="", score=Decimal(-1), scale=DEFAULT_GRADES, mover=None)


def test_an_inverted_rank_needs_a_reason_and_equal_scores_do_not_invert() -> None:
    people = (member(1, "90"), member(2, "86"), member(3, "86"))
    worse = replace(people[0], grade="C")
    shown = calibration.preview(people, people[0], worse, DEFAULT_GRADES, None, False)
    assert shown.inverts_rank
    assert shown.reason_required
    with pytest.raises(ReasonRequired):
        calibration.require_reason(shown, " ")
    equal = calibration.preview(people[1:], people[1], replace(people[1], grade="B"), DEFAULT_GRADES, None, False)
    assert not equal.inverts_rank
    assert not equal.reason_required


def test_a_guideline_that_is_missed_asks_for_a_reason_or_blocks() -> None:
    people = tuple(member(number, "96") for number in range(1, 11))
    assert calibration.off_guideline(people, ENFORCED, False) == ("S", "A", "B")
    inform = replace(ENFORCED, mode=GuidelineMode.INFORM)
    assert calibration.require_within(people, inform, False, waiver_reason="", may_waive=False) is False
    with pytest.raises(GuidelineMissed):
        calibration.require_within(people, ENFORCED, False, waiver_reason="", may_waive=True)
    with pytest.raises(Denied):
        calibration.require_within(people, ENFORCED, False, waiver_reason="why", may_waive=False)
    assert calibration.require_within(people, ENFORCED, False, waiver_reason="why", may_waive=True)
    asked = replace(ENFORCED, mode=GuidelineMode.REASON_REQUIRED)
    after = replace(people[0], grade="A")
    assert calibration.preview(people, people[0], after, DEFAULT_GRADES, asked, False).reason_required


def test_a_distribution_is_within_the_guideline_however_its_shares_are_rounded() -> None:
    for best in (3, 4):  # 20 % of 17 is 3.4
        grades = "S" * best + "A" * (15 - best) + "BB"
        people = tuple(member(number, "80", grade) for number, grade in enumerate(grades))
        assert calibration.off_guideline(people, ENFORCED, False) == ()


def test_a_pooled_group_is_shown_and_never_forced() -> None:
    people = tuple(member(number, "72") for number in range(1, 4))
    assert calibration.off_guideline(people, ENFORCED, True) == ()
    counts = calibration.distribution(people, DEFAULT_GRADES, ENFORCED, True)
    assert all(count.suggested is None for count in counts)


def test_those_outside_the_quota_are_not_counted() -> None:
    people = (member(1, "96"), replace(member(2, "96"), counted=False))
    counts = {each.grade: each.count for each in calibration.distribution(people, DEFAULT_GRADES, ENFORCED, False)}
    assert counts["S"] == 1


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("SABCD"), st.decimals(0, 120, places=4)), max_size=30))
def test_undoing_every_move_gives_the_snapshot_back_to_the_last_digit(
    moves: list[tuple[int, str, Decimal]],
) -> None:
    snapshot = {each.participant_id: each for each in (member(number, "88.10") for number in range(5))}
    standing, made = dict(snapshot), []
    for sequence, (index, grade, score) in enumerate(moves, start=1):
        before = standing[UUID(int=index)]
        after = calibration.moved(before, grade=grade, score=score, scale=DEFAULT_GRADES, mover=None)
        made.append(
            Move(sequence, before.participant_id, before.grade, before.score, after.grade, after.score, "because")
        )
        standing[before.participant_id] = after
    for move in reversed(made):
        standing[move.participant_id] = calibration.undone(standing, move)
    assert repr(standing) == repr(snapshot)


def test_ties_share_the_better_rank() -> None:
    people = [member(1, "90"), member(2, "96"), member(3, "90"), member(4, "60")]
    assert [(rank, each.participant_id.int) for rank, each in calibration.ranked(people, DEFAULT_GRADES)] == [
        (1, 2),
        (2, 1),
        (2, 3),
        (4, 4),
    ]
