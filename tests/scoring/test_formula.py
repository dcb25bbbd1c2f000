"""Formulas: what they mean, what is wrong with them and where, and that nothing ever raises."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scoring.domain.formula import Failure, Formula, Outcome, compile_formula, evaluate


def value_of(text: str, **values: int | str | Fraction | None) -> Outcome:
    formula = compile_formula(text, basis="points")
    assert isinstance(formula, Formula), formula
    known = {name: Fraction(value) if isinstance(value, int) else value for name, value in values.items()}
    return evaluate(formula.tree, known)


def faults_of(text: str, basis: str = "percent") -> list[tuple[str, int]]:
    compiled = compile_formula(text, basis=basis)
    return [] if isinstance(compiled, Formula) else [(each.code, each.position) for each in compiled]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=IF(完成值/目标值>120%, 120, 完成值/目标值*100)", Fraction(110)),
        ("＝IF（完成值／目标值＞１２０％，120，完成值÷目标值×100）", Fraction(110)),
        ("actual/target*weight", Fraction(44)),
        ("完成值/目标值*权重", Fraction(44)),
        ("ACTUAL - Target", Fraction(10)),
        ("-2^2 + actual*0", Fraction(4)),
        ("2^3^2 + actual*0", Fraction(64)),
        ("1/3+actual*0", Fraction(1, 3)),
        ("50%%+actual*0", Fraction(1, 200)),
        ("MIN(actual, target, 3)", Fraction(3)),
        ("最大值(完成值, 5)", Fraction(110)),
        ("SUM(1,2,actual)", Fraction(113)),
        ("AVERAGE(1,2,actual)", Fraction(113, 3)),
        ("ABS(target-actual)", Fraction(10)),
        ("ROUND(actual/3, 1)", Fraction(367, 10)),
        ("ROUND(-0.5+actual*0)", Fraction(-1)),
        ("ROUND(actual, -2)", Fraction(100)),
        ("INT(actual/3)", Fraction(36)),
        ("IF(AND(actual>100, NOT(target>100)), 1, 2)", Fraction(1)),
        ("IF(OR(actual<100, FALSE), 1, 2)", Fraction(2)),
        ('IF(unit="万元", actual, 0)', Fraction(110)),
        ("IFERROR(actual/0, 7)", Fraction(7)),
        ("IF(ISBLANK(stretch), 1, stretch)", Fraction(1)),
        ("IF(actual≥110, 1, 0)", Fraction(1)),
        ("IF(actual<>110, 1, 0)", Fraction(0)),
    ],
)
def test_values(text: str, expected: Fraction) -> None:
    assert value_of(text, actual=110, target=100, weight=40, unit="万元") == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("actual/target", "DIVISION_BY_ZERO"),
        ("stretch+1", "MISSING_VALUE"),
        ("(actual*10^15)*10", "OVERFLOW"),
        ("actual^65", "EXPONENT_TOO_LARGE"),
        ("actual^(actual*100)", "OVERFLOW"),
        ("actual^0.5", "NOT_A_NUMBER"),
        ("target^(0-1)", "DIVISION_BY_ZERO"),
        ("IF(actual>1, stretch, 0)", "MISSING_VALUE"),
    ],
)
def test_what_cannot_be_computed_is_a_typed_result(text: str, code: str) -> None:
    if code == "EXPONENT_TOO_LARGE":
        assert faults_of(text) == [(code, 7)]
        return
    outcome = value_of(text, actual=2, target=0)
    assert isinstance(outcome, Failure)
    assert outcome.code == code


def test_only_the_branch_taken_is_computed() -> None:
    assert value_of("IF(target=0, 0, actual/target)", actual=1, target=0) == 0


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("", [("EMPTY", 0)]),
        ("＝", [("EMPTY", 0)]),
        ("actual+", [("INCOMPLETE", 7)]),
        ("(actual", [("INCOMPLETE", 7)]),
        ("actual)", [("UNEXPECTED", 6)]),
        ("完成值 ≥ ≥ 1", [("UNEXPECTED", 6)]),
        ("actual $ 2", [("UNKNOWN_CHARACTER", 7)]),
        ("actal", [("UNKNOWN_NAME", 0)]),
        ("FOO(actual)", [("UNKNOWN_FUNCTION", 0)]),
        ("IF(actual>1, 2)", [("WRONG_ARGUMENTS", 0)]),
        ("actual>1", [("RESULT_NOT_NUMBER", 6)]),
        ('actual + "x"', [("WRONG_TYPE", 9)]),
        ("AND(actual, TRUE)+actual", [("WRONG_TYPE", 4), ("WRONG_TYPE", 0)]),
        ("1+2", [("REFERS_TO_NOTHING", 0)]),
        ("完成值/目标值*权重", [("WEIGHT_APPLIED_TWICE", 8)]),
        ("actual" + "+1" * 70, [("TOO_DEEP", 0)]),
        ("SUM(" + ",".join(["actual"] * 30) + ")", []),
        ("a" * 2001, [("TOO_LONG", 2000)]),
    ],
)
def test_faults_have_a_code_and_a_place(text: str, faults: list[tuple[str, int]]) -> None:
    assert faults_of(text) == faults


def test_a_name_nearly_right_is_suggested_in_both_languages() -> None:
    compiled = compile_formula("完成/目标值")
    assert not isinstance(compiled, Formula)
    assert "完成值" in compiled[0].message_zh
    assert "完成值" in compiled[0].message_en


def test_points_may_name_the_weight() -> None:
    assert faults_of("完成值/目标值*权重", basis="points") == []


names = st.sampled_from(["actual", "目标值", "weight", "stretch", "2", "0", "120%", "0.3", "TRUE", '"x"', "unit"])


@st.composite
def texts(draw: st.DrawFn, depth: int = 4) -> str:
    """A formula by the grammar; its types may be wrong."""
    if depth == 0 or draw(st.booleans()):
        return draw(names)
    left, right = draw(texts(depth - 1)), draw(texts(depth - 1))
    form = draw(
        st.sampled_from(["({0}{op}{1})", "IF({0},{1},{0})", "MIN({0},{1})", "-{0}", "IFERROR({0},{1})", "AND({0})"])
    )
    return form.format(left, right, op=draw(st.sampled_from(["+", "-", "*", "/", "^", ">", "=", "≤", "<>"])))


@settings(max_examples=500)
@given(texts(), st.fractions(), st.fractions())
def test_whatever_the_grammar_allows_compiles_or_is_refused_and_computes_or_fails(
    text: str, actual: Fraction, target: Fraction
) -> None:
    compiled = compile_formula(text, basis="points")
    if isinstance(compiled, Formula):
        outcome = evaluate(compiled.tree, {"actual": actual, "target": target, "weight": Fraction(40), "unit": "x"})
        assert isinstance(outcome, Fraction | Failure)


@settings(max_examples=500)
@given(st.text(max_size=60) | st.text(alphabet='=()+-*/^%<>,."AIF完成值 ≥（）１', max_size=60))
def test_no_text_raises(text: str) -> None:
    compiled = compile_formula(text)
    if not isinstance(compiled, Formula):
        assert all(0 <= each.position <= len(text) for each in compiled)
        assert all(each.message_zh and each.message_en for each in compiled)
