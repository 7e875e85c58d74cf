"""All commands of `deskbell`."""

import typer

from app.cli.bench import bench
from app.cli.config import config
from app.cli.create_user import create_user
from app.cli.demo import demo
from app.cli.doctor import doctor
from app.cli.init import init
from app.cli.jobs import jobs
from app.cli.migrate import migrate
from app.cli.serve import serve
from app.cli.simulate import simulate
from app.cli.version import version
from app.cli.worker import worker

cli = typer.Typer(
    name="deskbell",
    help="Self-hosted live chat.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.command()(serve)
cli.command()(init)
cli.command()(demo)
cli.command()(create_user)
cli.command()(migrate)
cli.command()(config)
cli.command()(doctor)
cli.command()(version)
cli.command()(simulate)
cli.add_typer(bench, name="bench")
cli.add_typer(jobs, name="jobs")
cli.command(hidden=True)(worker)
