"""Starts the gateway: settings → application → uvicorn."""

import gc

import uvicorn
from prometheus_client import start_http_server

from services.gateway.app import create_app
from services.gateway.settings import GatewaySettings
from services.runtime import telemetry
from services.runtime.settings import load


def main() -> None:
    """Serve until told to stop."""
    settings = load(GatewaySettings)
    telemetry.configure("gateway", settings)
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.host)
    app = create_app(settings)
    gc.freeze()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        http="httptools",
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    main()
