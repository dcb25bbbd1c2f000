"""The one reading of "who works here on a day, and where they stand", shared by every set-based statement."""

from sqlalchemy import text

# Assignments hold from the beginning of time until changed: when employment begins is the employee's own date.
# Parameters: tenant_id, day.
ASSIGNED_ON = (
    "a.tenant_id = e.tenant_id AND a.employee_id = e.id AND a.valid_from <= CAST(:day AS date)"
    " AND (a.valid_to IS NULL OR CAST(:day AS date) < a.valid_to)"
)
EMPLOYED_ON = (
    "(e.hired_on IS NULL OR e.hired_on <= CAST(:day AS date))"
    " AND (e.left_on IS NULL OR CAST(:day AS date) <= e.left_on)"
)
# Who counts when people are counted, grouped or frozen: an account that only administers is nobody's colleague.
STAFF_ON = f"e.on_staff AND {EMPLOYED_ON}"

# What group rules and scopes may ask, as columns of `s`.
STAFF = f"""
    SELECT e.id, e.code, e.name, e.hired_on, e.left_on, e.email, e.mobile, e.attributes, e.version, e.on_staff,
           coalesce(nullif(e.language, ''), t.language) AS language,
           a.valid_from, a.valid_to, a.post, a.level, a.department_id, a.manager_id, a.dotted_manager_ids,
           coalesce(d.path, '{{}}') AS department_path, coalesce(d.path_names, '') AS department_names
    FROM employee e
    JOIN tenant t ON t.tenant_id = e.tenant_id
    JOIN assignment a ON {ASSIGNED_ON}
    LEFT JOIN department d ON d.tenant_id = e.tenant_id AND d.id = a.department_id
    WHERE e.tenant_id = :tenant_id
"""  # noqa: S608 - constants of this module
EMPLOYED_STAFF = f"{STAFF} AND {STAFF_ON}"

# Whoever has left, or has yet to come, reports to nobody.
REPORTS = (
    f"SELECT e.manager_id, count(*) AS count FROM staff e WHERE e.manager_id IS NOT NULL AND {STAFF_ON}"  # noqa: S608
    " GROUP BY e.manager_id"
)

# Rows that were loaded a moment ago have no statistics yet, and a nested loop over all of them takes minutes: set
# before the statements over everybody.
NO_NESTED_LOOPS = text("SELECT set_config('enable_nestloop', 'off', true)")


def with_staff(*, reports: bool) -> str:
    """The head of a query over `staff s`; `reports` (people per manager) only where a rule counts them.

    Where nothing counts, the database looks up single people by index instead of going through all of them.
    """
    return f"WITH staff AS ({STAFF}){f', reports AS ({REPORTS})' if reports else ''}"
