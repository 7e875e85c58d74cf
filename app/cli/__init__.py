"""`deskbell`: what an operator does from a terminal.

Each command is a module of its own, registered in `commands`. The only floor, beside
`main`, that knows all others.
"""


def main() -> None:
    """The entry point of the `deskbell` command."""
    # Here, so that a server process does without all commands.
    from app.cli.commands import cli

    cli()
