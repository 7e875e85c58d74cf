"""`deskbell doctor`"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from app.cli.servers import run_with_servers
from app.settings import Settings

if TYPE_CHECKING:
    from app.infra.examination import Finding


def doctor() -> None:
    """Look at everything Deskbell needs and say what is amiss. Exit code 1 if anything is."""
    run_with_servers(_examine)


async def _examine(settings: Settings) -> int:
    # Here, so that the other commands start without loading half of Deskbell.
    from app.infra.examination import (
        examine_database,
        examine_jobs,
        examine_mail,
        examine_redis,
        examine_websocket,
    )

    findings = [
        examine_database(settings.database_url),
        examine_jobs(settings.database_url),
        examine_redis(settings.redis_url),
        examine_websocket(settings.public_url),
    ]
    if settings.mail_url:
        findings.append(examine_mail(settings.mail_url, settings.mail_from))
    amiss = 0
    for examination in findings:
        async for finding in examination:
            _show(finding)
            amiss += not finding.fit
    if not settings.mail_url:
        typer.echo("  --    No mail is sent: DESKBELL_MAIL_URL is not set.")
    return 1 if amiss else 0


def _show(finding: Finding) -> None:
    typer.echo(f"  {'ok' if finding.fit else 'AMISS':<5} {finding.text}")
