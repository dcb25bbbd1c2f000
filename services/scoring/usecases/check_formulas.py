"""Check formulas for whoever saves a template; nothing is stored."""

from dataclasses import dataclass

from services.scoring.domain.errors import InvalidInput
from services.scoring.domain.formula import Formula, Problem, compile_formula

FORMULAS_LIMIT = 5_000
BASES = ("percent", "points")


@dataclass(frozen=True, slots=True)
class FormulaText:
    """A formula as written; `key` is the caller's own."""

    key: str
    text: str
    basis: str = "percent"


@dataclass(frozen=True, slots=True)
class FormulaFault:
    """One fault of one formula."""

    key: str
    problem: Problem


async def check_formulas(_work: object, formulas: tuple[FormulaText, ...]) -> tuple[FormulaFault, ...]:
    """Every fault of every formula; none means that all compile."""
    if len(formulas) > FORMULAS_LIMIT:
        raise InvalidInput(f"at most {FORMULAS_LIMIT} formulas at once", field="formulas")
    faults: list[FormulaFault] = []
    for formula in formulas:
        basis = formula.basis or "percent"
        if basis not in BASES:
            raise InvalidInput("basis is percent or points", field="formulas.basis")
        compiled = compile_formula(formula.text, basis=basis)
        if not isinstance(compiled, Formula):
            faults.extend(FormulaFault(formula.key, problem) for problem in compiled)
    return tuple(faults)
