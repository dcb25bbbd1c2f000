"""One indicator of one participant: the mean per relation, the relation weights, the cap; or why there is no score."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from services.scoring.domain.exact import mean, text_of
from services.scoring.domain.form import AnswersByItem, BelowK, Indicator, Inputs, Kind, Missing, Relation, Rules
from services.scoring.domain.goals import goals_attainment
from services.scoring.domain.measures import Measured, Unmeasured, answer_points, in_percent, measure_actual


@dataclass(frozen=True, slots=True)
class RelationMean:
    """What one relation said of an item: percent, its share among the relations that count (0-1), how many raters."""

    relation: Relation
    percent: Fraction | None
    share: Fraction
    raters: int
    treatment: str = ""

    @property
    def below_k(self) -> bool:
        """Whether single answers could be worked out from the mean."""
        return self.relation.anonymous and 0 < self.raters < self.relation.least


@dataclass(frozen=True, slots=True)
class Judged:
    """An indicator judged: `percent` of its weight, after the cap; or `blocked`; or neither, when it is left out."""

    indicator: Indicator
    percent: Fraction | None
    relations: tuple[RelationMean, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    blocked: Unmeasured | None = None
    capped_from: Fraction | None = None


def judge(indicator: Indicator, inputs: Inputs, answers: AnswersByItem, rules: Rules) -> Judged:
    """The indicator by what its method reads: goals, raters or an actual."""
    if indicator.kind is Kind.GOAL:
        return _judge_goals(indicator, inputs, rules)
    if indicator.rated:
        return _judge_rated(indicator, inputs, answers, rules)
    return _judge_actual(indicator, inputs, rules)


def _judge_goals(indicator: Indicator, inputs: Inputs, rules: Rules) -> Judged:
    attained = goals_attainment(inputs.goals, indicator.measure.curve)
    facts = {"goals": str(sum(not goal.cancelled for goal in inputs.goals))}
    if any(goal.cancelled for goal in inputs.goals):
        facts["cancelled"] = str(sum(goal.cancelled for goal in inputs.goals))
    measured: Measured = Unmeasured("GOALS_MISSING", indicator.key) if attained is None else attained
    return _settle(indicator, measured, rules.missing_goals, facts)


def _judge_actual(indicator: Indicator, inputs: Inputs, rules: Rules) -> Judged:
    actual = inputs.actuals.get(indicator.key)
    return _settle(indicator, measure_actual(indicator, actual), rules.missing_actual, _facts(indicator, actual))


def _facts(indicator: Indicator, actual: Fraction | None) -> dict[str, str]:
    values = {
        "actual": actual,
        "target": indicator.target,
        "threshold": indicator.threshold,
        "stretch": indicator.stretch,
        "baseline": indicator.baseline,
    }
    facts = {"method": indicator.measure.method.value}
    facts.update((name, text_of(value)) for name, value in values.items() if value is not None)
    if indicator.measure.formula is not None:
        facts["formula"] = indicator.measure.formula.text
    return facts


def _judge_rated(indicator: Indicator, inputs: Inputs, answers: AnswersByItem, rules: Rules) -> Judged:
    policy = Missing.RENORMALISE if indicator.beside_weights else rules.missing_relation
    means = [_relation_mean(indicator, relation, answers, policy) for relation in indicator.relations]
    blocked = [each.relation.name for each in means if each.treatment == "blocked"]
    if blocked:
        reason = Unmeasured("ANSWERS_MISSING", f"{indicator.key}:{','.join(blocked)}")
        return Judged(indicator, None, tuple(means), blocked=reason)
    total = sum((each.share for each in means), Fraction(0))
    shared = tuple(_with_share(each, total) for each in means)
    notes = tuple(f"RELATION_{each.treatment.upper()} {each.relation.name}" for each in means if each.treatment)
    rating = sum((each.share * (each.percent or 0) for each in shared), Fraction(0)) if total else None
    return _settle_rated(indicator, rating, inputs, shared, notes, policy)


def _settle_rated(
    indicator: Indicator,
    rating: Fraction | None,
    inputs: Inputs,
    relations: tuple[RelationMean, ...],
    notes: tuple[str, ...],
    policy: Missing,
) -> Judged:
    actual = inputs.actuals.get(indicator.key)
    facts = _facts(indicator, actual)
    if indicator.reads_rating:
        measured: Measured = measure_actual(indicator, actual, rating)
        facts |= {} if rating is None else {"rating": text_of(rating)}
    else:
        measured = Unmeasured("ANSWERS_MISSING", indicator.key) if rating is None else rating
    return _settle(indicator, measured, policy, facts, relations, notes)


def _relation_mean(indicator: Indicator, relation: Relation, answers: AnswersByItem, policy: Missing) -> RelationMean:
    """The mean over the raters of a relation; `share` is still its bare weight."""
    own = answers.get((indicator.key, relation.name), ())
    given = [points for answer in own if (points := answer_points(indicator, answer)) is not None]
    if given and relation.anonymous and len(given) < relation.least and relation.below is BelowK.EXCLUDE:
        return RelationMean(relation, None, Fraction(0), len(given), "excluded_below_minimum")
    if given:
        percent = in_percent(indicator, mean(given), None)
        return RelationMean(relation, percent, relation.weight, len(given))
    if relation.weight == 0:
        return RelationMean(relation, None, Fraction(0), 0)
    return {
        Missing.RENORMALISE: RelationMean(relation, None, Fraction(0), 0, "renormalised"),
        Missing.BLOCK: RelationMean(relation, None, Fraction(0), 0, "blocked"),
        Missing.ZERO: RelationMean(relation, Fraction(0), relation.weight, 0, "counted_zero"),
    }[policy]


def _with_share(each: RelationMean, total: Fraction) -> RelationMean:
    share = each.share / total if total else Fraction(0)
    return RelationMean(each.relation, each.percent, share, each.raters, each.treatment)


def _settle(
    indicator: Indicator,
    measured: Measured,
    policy: Missing,
    facts: Mapping[str, str],
    relations: tuple[RelationMean, ...] = (),
    notes: tuple[str, ...] = (),
) -> Judged:
    """Applies the cap to what was measured, or the template's rule to what is missing; other faults always block."""
    if not isinstance(measured, Unmeasured):
        rated = bool(relations) and not indicator.reads_rating
        whole = measured if rated or indicator.beside_weights else in_percent(indicator, measured, None)
        percent = whole if indicator.cap is None else min(whole, indicator.cap)
        capped = whole if percent != whole else None
        marks = (*notes, f"CAPPED {text_of(percent)}") if capped is not None else notes
        return Judged(indicator, percent, relations, facts, marks, capped_from=capped)
    if indicator.beside_weights and measured.code in ("ACTUAL_MISSING", "ANSWERS_MISSING"):
        return Judged(indicator, Fraction(0), relations, facts, notes)
    if not measured.code.endswith("_MISSING") or measured.code == "TARGET_MISSING" or policy is Missing.BLOCK:
        return Judged(indicator, None, relations, facts, notes, blocked=measured)
    if policy is Missing.ZERO:
        return Judged(indicator, Fraction(0), relations, facts, (*notes, f"{measured.code}_COUNTED_ZERO"))
    return Judged(indicator, None, relations, facts, (*notes, f"{measured.code}_RENORMALISED"))
