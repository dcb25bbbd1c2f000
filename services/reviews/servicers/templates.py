"""TemplateService: one statement an RPC."""

from functools import partial

from protos.reviews.v1 import templates_pb2, templates_pb2_grpc
from services.reviews.convert import templates as convert
from services.reviews.store import ReviewsWork
from services.reviews.usecases import templates as usecases
from services.runtime.database import Runner
from services.runtime.database.runner import CallContext


class TemplateServicer(templates_pb2_grpc.TemplateServiceServicer):
    """Templates of a company."""

    def __init__(self, runner: Runner[ReviewsWork], formulas: usecases.Formulas) -> None:
        self._runner = runner
        self._compile = usecases.compile_formulas(formulas)

    async def ApplyTemplate(
        self, request: templates_pb2.ApplyTemplateRequest, context: CallContext
    ) -> templates_pb2.ApplyTemplateResponse:
        return await self._runner.command(
            context,
            request,
            usecases.apply_template,
            convert.apply_template,
            convert.apply_template_reply,
            prepare=self._compile,
        )

    async def PublishTemplate(
        self, request: templates_pb2.PublishTemplateRequest, context: CallContext
    ) -> templates_pb2.PublishTemplateResponse:
        return await self._runner.command(
            context, request, usecases.publish_template, convert.publish_template, convert.publish_template_reply
        )

    async def CopyTemplate(
        self, request: templates_pb2.CopyTemplateRequest, context: CallContext
    ) -> templates_pb2.CopyTemplateResponse:
        return await self._runner.command(
            context, request, usecases.copy_template, convert.copy_template, convert.copy_template_reply
        )

    async def GetTemplate(
        self, request: templates_pb2.GetTemplateRequest, context: CallContext
    ) -> templates_pb2.GetTemplateResponse:
        return await self._runner.query(
            context, request, usecases.get_template, convert.get_template, convert.get_template_reply
        )

    async def ListTemplates(
        self, request: templates_pb2.ListTemplatesRequest, context: CallContext
    ) -> templates_pb2.ListTemplatesResponse:
        reply = partial(convert.list_templates_reply, size=convert.page_size(request.page_size))
        return await self._runner.query(context, request, usecases.list_templates, convert.list_templates, reply)

    async def ListTemplateVersions(
        self, request: templates_pb2.ListTemplateVersionsRequest, context: CallContext
    ) -> templates_pb2.ListTemplateVersionsResponse:
        reply = partial(convert.list_versions_reply, size=convert.page_size(request.page_size))
        return await self._runner.query(context, request, usecases.list_versions, convert.list_versions, reply)

    async def GetTemplateSchema(
        self, request: templates_pb2.GetTemplateSchemaRequest, context: CallContext
    ) -> templates_pb2.GetTemplateSchemaResponse:
        return convert.schema_reply()
