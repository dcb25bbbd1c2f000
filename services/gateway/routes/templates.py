"""Templates and their versions."""

from fastapi import APIRouter, Response

from protos.reviews.v1 import templates_pb2 as pb
from services.gateway.dependencies import DEFAULT_PAGE, Caller, Id, IfMatch, PageSize, PageToken
from services.gateway.schemas import reviews as schemas
from services.gateway.schemas.views import page_of, view

router = APIRouter(tags=["templates"])


@router.post("/templates", status_code=201, response_model=view(pb.ApplyTemplateResponse))
async def apply_template(body: schemas.ApplyTemplate, call: Caller) -> Response:
    """Create a template, or a new version of the one with this name, from YAML or JSON."""
    request = pb.ApplyTemplateRequest(
        request_id=call.request_id, source=body.source, publish=body.publish, etag=call.if_match
    )
    return call.answer(await call.send(call.services.templates.ApplyTemplate, request, bulk=True), 201)


@router.get("/templates", response_model=page_of(pb.Template))
async def list_templates(call: Caller, page_size: PageSize = DEFAULT_PAGE, page_token: PageToken = "") -> Response:
    """List templates."""
    request = call.ask_page(pb.ListTemplatesRequest(), page_size, page_token)
    return call.page(await call.send(call.services.templates.ListTemplates, request), "templates", request)


@router.get("/templates:schema", response_model=view(pb.GetTemplateSchemaResponse))
async def get_schema(call: Caller) -> Response:
    """The JSON schema of a template's definition."""
    return call.answer(await call.send(call.services.templates.GetTemplateSchema, pb.GetTemplateSchemaRequest()))


@router.get("/templates/{template}", response_model=view(pb.GetTemplateResponse))
async def get_template(template: schemas.ReferenceInPath, call: Caller, version: schemas.Version = 0) -> Response:
    """One template by id or name, with one version's definition (0: the latest)."""
    request = pb.GetTemplateRequest(template=template, version=version)
    reply = await call.send(call.services.templates.GetTemplate, request)
    return call.answer(reply, ETag=f'"{reply.template.etag}"')


@router.get("/templates/{template_id}/versions", response_model=page_of(pb.TemplateVersion))
async def list_versions(
    template_id: Id, call: Caller, page_size: PageSize = DEFAULT_PAGE, page_token: PageToken = ""
) -> Response:
    """Versions of a template, newest first."""
    request = call.ask_page(pb.ListTemplateVersionsRequest(template_id=str(template_id)), page_size, page_token)
    return call.page(await call.send(call.services.templates.ListTemplateVersions, request), "versions", request)


@router.post(
    "/templates/{template_id}:publish", response_model=view(pb.PublishTemplateResponse), dependencies=[IfMatch]
)
async def publish_template(template_id: Id, call: Caller) -> Response:
    """Make the draft version unchangeable and usable."""
    request = pb.PublishTemplateRequest(request_id=call.request_id, template_id=str(template_id), etag=call.if_match)
    return call.answer(await call.send(call.services.templates.PublishTemplate, request, bulk=True))


@router.post("/templates/{template_id}:copy", status_code=201, response_model=view(pb.CopyTemplateResponse))
async def copy_template(template_id: Id, body: schemas.CopyTemplate, call: Caller) -> Response:
    """Copy a version into a new template's draft."""
    request = pb.CopyTemplateRequest(
        request_id=call.request_id, template_id=str(template_id), version=body.version, name=body.name
    )
    return call.answer(await call.send(call.services.templates.CopyTemplate, request), 201)
