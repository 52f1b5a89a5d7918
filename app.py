"""The ASGI entry that `streamlit run app.py` finds: the page, the run routes beside it, and the emulator's life. No logic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from components.ahead import import_ahead
from emulator.local import local_service
from emulator.options import Options
from emulator.server import running
from local_model.resident import CONTEXT, Resident
from playground.garbage import collecting
from playground.health import health_routes
from playground.logs import RunLog, write_json
from playground.metrics import Metrics, OpenPages
from playground.redaction import guard_logs
from playground.routes import run_routes
from playground.service import close_service, open_service, service
from playground.settings import read_settings
from playground.share_routes import share_routes
from playground.shutdown import leaving_in_order
from playground.visitors import VisitorCookie

# Seconds after which whoever started this has most likely seen the page: until then the model does not compete with it.
FIRST_PAGE = 4.0

wanted = read_settings()
if wanted.log == "json":
    write_json()
guard_logs()
metrics = Metrics() if wanted.metrics else None


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Start the local model and the emulator on a free loopback port, and open the service that knows them."""
    settings = read_settings()
    model = Resident(settings.values, settings.local_length)
    services = [local_service(model.engine, context=CONTEXT, length=model.length, trouble=model.trouble)] if model.wanted else []
    with running(settings.emulator_port, options=Options(keep_bodies=False), services=services) as emulator, collecting():
        open_service(settings, emulator.base_url, model.look_up, [RunLog(), *([metrics] if metrics else [])])
        import_ahead()
        model.start(after=FIRST_PAGE)
        async with leaving_in_order(lambda: service().runs, settings.drain):
            yield
        close_service()
        model.close()


base = (st.get_option("server.baseUrlPath") or "").strip("/")
app = st.App(
    Path(__file__).parent / "components" / "shell.py",
    routes=[*run_routes(base), *share_routes(base), *health_routes(base, metrics)],
    middleware=[
        Middleware(VisitorCookie, secret=lambda: service().cookie_secret, path=f"/{base}"),
        *([Middleware(OpenPages, metrics=metrics, secret=lambda: service().cookie_secret)] if metrics else []),
    ],
    lifespan=lifespan,
)
