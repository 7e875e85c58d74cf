"""`deskbell version`"""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

import typer


def version() -> None:
    """Show the version of Deskbell."""
    typer.echo(f"deskbell {this_version()}")


def this_version() -> str:
    """As in pyproject.toml; `unknown` when run from files that were never installed."""
    try:
        return version_of("deskbell")
    except PackageNotFoundError:
        return "unknown"
