"""The named queries of app/reports/sql."""

from __future__ import annotations

from functools import cache
from importlib import resources

from sqlalchemy import TextClause, text


@cache
def query(name: str) -> TextClause:
    """Return the query of `sql/<name>.sql`, without its comments."""
    file = resources.files("app.reports") / "sql" / f"{name}.sql"
    lines = file.read_text(encoding="utf-8").splitlines()
    # A colon in a comment would look like a parameter.
    return text("\n".join(line for line in lines if not line.startswith("--")))
