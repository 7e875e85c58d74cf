"""`deskbell config`"""

import os
from urllib.parse import urlsplit, urlunsplit

import typer

from app.cli.ending import settings_or_exit
from app.settings import PREFIX, Settings, secret_fields, variable

MASK = "********"
NOT_SETTINGS = (f"{PREFIX}TEST_",)
"""Prefixes of variables that only the tests read."""


def config() -> None:
    """Check the settings and show them, with secrets masked."""
    settings = settings_or_exit()
    for field in Settings.model_fields:
        typer.echo(f"{variable(field)}={shown(settings, field)}")
    for name in unknown_variables():
        typer.echo(f"{name} is set, but Deskbell has no such setting.", err=True)


def shown(settings: Settings, field: str) -> str:
    """A setting as the operator may see it: of a secret address the password is masked."""
    value = getattr(settings, field)
    if isinstance(value, tuple):
        return ",".join(settings.console_origins)
    text = str(value)
    if field in secret_fields() and text:
        return _masked_address(text) if "://" in text else MASK
    return text


def unknown_variables() -> list[str]:
    """Variables that begin like settings but are none: most often a slip of the pen."""
    known = {variable(field) for field in Settings.model_fields}
    known |= {f"{variable(field)}_FILE" for field in secret_fields()}
    return sorted(
        name
        for name in os.environ
        if name.startswith(PREFIX) and name not in known and not name.startswith(NOT_SETTINGS)
    )


def _masked_address(address: str) -> str:
    parts = urlsplit(address)
    user, found, place = parts.netloc.rpartition("@")
    if ":" in user:
        user = f"{user.partition(':')[0]}:{MASK}"
    # A password may also stand among the parameters.
    query = "&".join(
        f"{name}={MASK}" if "pass" in (name := pair.partition("=")[0]).lower() else pair
        for pair in parts.query.split("&")
    )
    return urlunsplit(parts._replace(netloc=f"{user}{found}{place}", query=query))
