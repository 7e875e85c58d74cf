"""How a command ends when it cannot do its work: one line, no traceback."""

from collections.abc import Mapping

import typer

from app.settings import Settings, SettingsError, load_settings

WRONG_SETTING = 2
FAILED = 1


def settings_or_exit(overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings, with the given fields replaced, or one line and exit code 2."""
    try:
        return load_settings(overrides=overrides)
    except SettingsError as error:
        raise fail(str(error), WRONG_SETTING) from None


def fail(reason: str, code: int = FAILED) -> typer.Exit:
    """Print the reason on standard error. `raise` what this returns."""
    typer.echo(f"deskbell: {reason}", err=True)
    return typer.Exit(code)
