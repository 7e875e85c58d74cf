"""`python -m app.cli`, for where the `deskbell` command is not installed."""

from app.cli import main

main()
