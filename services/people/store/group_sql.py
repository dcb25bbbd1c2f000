"""Group rules as SQL over the staff of a day; the same meaning as `group_rules.matches`."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from services.people.domain.group_rules import OWN, Both, Comparison, Either, Negation, Rule

_COLUMNS: Mapping[str, str] = {
    "id": "s.id",
    "code": "s.code",
    "post": "nullif(s.post, '')",
    "language": "nullif(s.language, '')",
    "level": "nullif(s.level, '')",
    "department": "s.department_id",
    "manager": "s.manager_id",
    "hired_on": "s.hired_on",
    "direct_reports": "(SELECT coalesce(max(r.count), 0) FROM reports r WHERE r.manager_id = s.id)",
    # Whole months, as group_rules.months_between counts them.
    "tenure_months": (
        "((extract(year FROM CAST(:day AS date)) - extract(year FROM s.hired_on)) * 12"
        " + extract(month FROM CAST(:day AS date)) - extract(month FROM s.hired_on)"
        " - (extract(day FROM CAST(:day AS date)) < extract(day FROM s.hired_on))::integer)::integer"
    ),
}
_SIGNS: Mapping[str, str] = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class RuleSql:
    """Writes rules as predicates over `s`; values become parameters, never text."""

    def __init__(self, prefix: str = "rule") -> None:
        self._prefix = prefix
        self.parameters: dict[str, object] = {}
        self.counts_reports = False

    def predicate(self, rule: Rule) -> str:
        """The predicate of a rule; it is never null."""
        match rule:
            case Both(parts):
                return self._joined(parts, " AND ", "true")
            case Either(parts):
                return self._joined(parts, " OR ", "false")
            case Negation(part):
                return f"(NOT {self.predicate(part)})"
            case Comparison():
                return self._comparison(rule)

    def _joined(self, parts: tuple[Rule, ...], word: str, empty: str) -> str:
        return f"({word.join(self.predicate(part) for part in parts)})" if parts else empty

    def _comparison(self, comparison: Comparison) -> str:
        operator, values = comparison.operator, comparison.values
        if operator in ("within", "not_within"):
            inside = f"({self._parameter(values[0])} = ANY (s.department_path))"
            return inside if operator == "within" else f"(NOT {inside})"
        column = self._column(comparison.attribute)
        if operator in ("missing", "present"):
            return f"({column} IS {'' if operator == 'missing' else 'NOT '}NULL)"
        if operator in _SIGNS:
            return f"coalesce({column} {_SIGNS[operator]} {self._parameter(values[0])}, false)"
        equal = f"coalesce({column} IN ({', '.join(self._parameter(value) for value in values)}), false)"
        return equal if operator in ("eq", "in") else f"(NOT {equal})"

    def _column(self, attribute: str) -> str:
        if attribute.startswith(OWN):
            return f"nullif(s.attributes ->> {self._parameter(attribute.removeprefix(OWN))}, '')"
        if attribute == "direct_reports":
            self.counts_reports = True
        return _COLUMNS[attribute]

    def _parameter(self, value: object) -> str:
        name = f"{self._prefix}_{len(self.parameters)}"
        self.parameters[name] = value
        return f"CAST(:{name} AS {_sql_type(value)})"


def _sql_type(value: object) -> str:
    match value:
        case UUID():
            return "uuid"
        case date():
            return "date"
        case int():
            return "integer"
    return "text"
