"""Spreadsheet-like formulas: parse, check, evaluate exactly."""

from services.scoring.domain.formula.check import Formula, compile_formula
from services.scoring.domain.formula.evaluate import Failure, Outcome, evaluate
from services.scoring.domain.formula.names import Type, canonical_name
from services.scoring.domain.formula.problems import Problem
from services.scoring.domain.formula.tree import Value

__all__ = ["Failure", "Formula", "Outcome", "Problem", "Type", "Value", "canonical_name", "compile_formula", "evaluate"]
