"""One router a resource."""

from fastapi import APIRouter

from services.gateway.routes import cycles, goals, inbox, operations, outcomes, people, scoring, tasks, templates

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
