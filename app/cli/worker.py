"""`deskbell worker`: one server process. `serve` starts several; a test or a container may start one."""

from typing import Annotated

import typer

from app.cli.ending import WRONG_SETTING, fail, settings_or_exit
from app.cli.listening import PortError, listening_socket
from app.infra.logs import configure_logs
from app.settings import SettingsError


def worker(
    port: Annotated[int | None, typer.Option(help="Instead of DESKBELL_PORT.")] = None,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run one server process against DESKBELL_DATABASE_URL and DESKBELL_REDIS_URL."""
    settings = settings_or_exit({} if port is None else {"port": port})
    for name, address in (("DATABASE", settings.database_url), ("REDIS", settings.redis_url)):
        if not address:
            raise fail(f"a single server process needs DESKBELL_{name}_URL; `deskbell serve` does not.", WRONG_SETTING)
    try:
        settings = settings.with_secret_key()
        bound = listening_socket(settings)
    except (SettingsError, PortError) as error:
        raise fail(str(error), WRONG_SETTING) from None
    configure_logs(settings.log_level, settings.log_format)
    # Here, so that the other commands start without loading the application.
    from app.cli.draining_server import run_server

    run_server(settings, bound, ready_fd)
