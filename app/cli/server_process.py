"""`python -m app.cli.server_process`: one server process of `serve`, without what only commands need.

Every megabyte that is loaded here is there once a process: no typer, no alembic, no embedded servers (`.importlinter`).
"""

import argparse
import sys
from collections.abc import Mapping

WRONG_SETTING = 2


def main() -> None:
    """Serve until SIGTERM or SIGINT; one line and exit code 2 when a setting is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--ready-fd", type=int)
    arguments = parser.parse_args()
    # structlog loads rich and a highlighter, if they are there, for tracebacks that `configure_logs` leaves out: 6 MB.
    sys.modules["rich"] = None  # type: ignore[assignment]
    serve_here({}, arguments.ready_fd)


def serve_here(changes: Mapping[str, object], ready_fd: int | None) -> None:
    """Serve in this process.

    Args:
        changes: fields of the settings to replace.
        ready_fd: gets a byte when requests are taken.
    """
    from app.cli.listening import PortError, listening_socket
    from app.infra.logs import configure_logs
    from app.settings import SettingsError, load_settings

    try:
        settings = load_settings(overrides=changes)
        for name, address in (("DATABASE", settings.database_url), ("REDIS", settings.redis_url)):
            if not address:
                raise SettingsError(f"a single server process needs DESKBELL_{name}_URL; `deskbell serve` does not.")
        settings = settings.with_secret_key()
        bound = listening_socket(settings)
    except (SettingsError, PortError) as error:
        print(f"deskbell: {error}", file=sys.stderr)
        raise SystemExit(WRONG_SETTING) from None
    configure_logs(settings.log_level, settings.log_format)
    from app.cli.draining_server import run_server

    run_server(settings, bound, ready_fd)


if __name__ == "__main__":
    main()
