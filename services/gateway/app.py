"""Assembles the REST application: routes, errors, limits, health."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig

from services.gateway import errors
from services.gateway.auth import Authenticator
from services.gateway.calls import Services
from services.gateway.edge import API, Edge
from services.gateway.issuers import LOCAL_ISSUER, Issuer, LocalIssuer, OidcIssuer, PublishedKeys
from services.gateway.limiting import RateLimit
from services.gateway.paging import Pages
from services.gateway.routes import ROUTERS, local
from services.gateway.settings import GatewaySettings
from services.runtime.identity import TokenSigner

DESCRIPTION = (
    "Performance reviews for a whole company: goals, timed review cycles, scoring, calibration, appeals, interviews."
)

# FastAPI's own spans carry the query and the client's address, which may be personal, and cost where nothing is kept.
UNTOLD = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False)


def create_app(settings: GatewaySettings) -> FastAPI:
    """Return the application; it connects when it starts."""
    production = settings.mode == "production"
    app = FastAPI(
        title="Attune 同频",
        version="1",
        description=DESCRIPTION,
        docs_url=None if production else "/docs",
        redoc_url=None,
        lifespan=_lifespan,
        telemetry=UNTOLD,
        responses={
            "4XX": {
                "description": "A problem (RFC 9457): code, detail, errors[].",
                "content": {errors.PROBLEM: {"example": errors.EXAMPLE}},
            }
        },
    )
    app.state.settings = settings
    errors.install(app)
    app.add_middleware(Edge, body_limit=settings.body_limit)
    app.include_router(_health())
    for router in ROUTERS:
        app.include_router(router, prefix=API)
    if settings.issuing_key_file is not None:
        app.include_router(local.router, prefix=API)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: GatewaySettings = app.state.settings
    signer = TokenSigner("gateway", settings.identity_key_file)
    services = Services(settings, signer)
    issuers: dict[str, Issuer] = {}
    if settings.oidc_jwks_url:
        keys = PublishedKeys(settings.oidc_jwks_url)
        issuers[settings.oidc_issuer] = OidcIssuer(
            settings.oidc_issuer, settings.oidc_audience, keys, settings.oidc_tenant_claim
        )
    if settings.issuing_key_file is not None:
        app.state.local_issuer = issuers[LOCAL_ISSUER] = LocalIssuer(settings.issuing_key_file)
    app.state.services = services
    app.state.pages = Pages(settings.identity_key_file)
    app.state.rate_limit = RateLimit(settings.requests_per_minute)
    app.state.authenticator = Authenticator(
        issuers,
        signer,
        services.principal,
        settings.principal_cache_seconds,
        settings.installation_administrators,
    )
    yield
    await services.close()


def _health() -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def alive() -> JSONResponse:
        return JSONResponse({"state": "alive"})

    @router.get("/readyz")
    async def ready() -> JSONResponse:
        return JSONResponse({"state": "ready"})

    return router
