"""How tasks look: a list of them, and one with its form and answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cli.output import Block, Grid
from cli.session import Session

COLUMNS = ("id", "stage", "state", "about", "assignee", "due", "", "cycle")


async def task_grid(session: Session, found: Iterable[Mapping[str, Any]]) -> Grid:
    """Return tasks as rows: what, about whom, who owes it, until when."""
    found = list(found)
    names = await session.names(each.get(name) for each in found for name in ("employee_id", "assignee_id"))
    clock = await session.clock() if found else str
    rows = [
        (
            *(each["id"], each.get("stage", ""), each.get("state", "")),
            *(names.get(each.get(name, ""), each.get(name, "")) for name in ("employee_id", "assignee_id")),
            *(clock(each.get("due_at", "")), ", ".join(_marks(each)), each.get("cycle_name", "")),
        )
        for each in found
    ]
    return Grid(COLUMNS, rows, empty="No tasks.")


async def task_blocks(session: Session, found: Mapping[str, Any]) -> list[Block]:
    """Return a task with its form, its answers, others' answers and actual values."""
    blocks: list[Block] = [await task_grid(session, [found["task"]])]
    if reason := found["task"].get("return_reason"):
        blocks.append(f"Returned: {reason}")
    answers = {each["item"]: _said(each) for each in found.get("submission", {}).get("answers", ())}
    items = list(_items(found.get("form", {})))
    if items:
        state = "draft" if found.get("submission", {}).get("draft") else "answer"
        rows = [(*item, answers.pop(item[0], "")) for item in items]
        blocks.append(Grid(("item", "name", "kind", "weight", "scale", state), rows))
    blocks += [f"{item}: {said}" for item, said in answers.items()]
    blocks += _references(found)
    actuals = [(each["item"], each.get("value", "missing")) for each in found.get("actuals", ())]
    return [*blocks, Grid(("item", "actual"), actuals)] if actuals else blocks


def _references(found: Mapping[str, Any]) -> Iterator[Grid]:
    for each in found.get("references", ()):
        rows = [(answer["item"], _said(answer)) for answer in each.get("answers", ())]
        rows += [("comment", each["comment"])] if each.get("comment") else []
        if rows:
            yield Grid(("item", each.get("relation") or "answer"), rows)


def _items(form: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield what the form asks, by the path under which it is answered: section/indicator."""
    for section in form.get("sections", ()):
        for item in section.get("indicators", ()):
            points = item.get("scale", {}).get("points", ())
            scale = ", ".join(f"{each['value']} {each.get('label', '')}".strip() for each in points)
            path = f"{section['key']}/{item['key']}"
            yield path, item.get("name", ""), item.get("kind", ""), str(item.get("weight", "")), scale


def _said(answer: Mapping[str, Any]) -> str:
    parts = [answer.get("value", ""), answer.get("text", ""), ", ".join(answer.get("choices", ()))]
    parts += [f"{proof.get('name', '')} <{proof.get('url', '')}>" for proof in answer.get("evidence", ())]
    return " ".join(part for part in parts if part)


def _marks(task: Mapping[str, Any]) -> Iterator[str]:
    for mark in ("overdue", "extended", "late", "input_changed"):
        if task.get(mark):
            yield mark.replace("_", " ")
    if task.get("blocked_reason"):
        yield str(task["blocked_reason"])
