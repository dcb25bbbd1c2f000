"""One router a resource; bigger bodies only where a file is uploaded."""

from fastapi import APIRouter

from services.gateway.routes import cycles, goals, inbox, operations, outcomes, people, scoring, tasks, templates

UPLOADS: tuple[APIRouter, ...] = (people.imports, goals.imports, tasks.imports)
ROUTERS: tuple[APIRouter, ...] = (
    people.router,
    goals.router,
    templates.router,
    cycles.router,
    tasks.router,
    scoring.router,
    outcomes.router,
    inbox.router,
    operations.router,
)
