"""Tokens of local mode; absent in production."""

from fastapi import APIRouter, Request

from protos.people.v1 import people_pb2
from services.gateway.issuers import INSTALLATION, LOCAL_ISSUER
from services.gateway.schemas import local as schemas

router = APIRouter(tags=["local"])


@router.post("/dev/token", response_model=schemas.Token)
async def issue_token(body: schemas.AskToken, request: Request) -> schemas.Token:
    """A token of twelve hours for an employee by code or e-mail, or for the administrator of the installation."""
    state = request.app.state
    if body.installation:
        return schemas.Token(token=state.local_issuer.issue(INSTALLATION, ""))
    found: people_pb2.Principal = await state.services.principal(LOCAL_ISSUER, body.subject, body.tenant)
    token = state.local_issuer.issue(body.subject, found.tenant_id)
    return schemas.Token(token=token, employee_id=found.employee_id, tenant_id=found.tenant_id)
