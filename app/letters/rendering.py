"""The words of a letter, from web/emails: plain text, and HTML with everything escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

ROOT = Path(__file__).resolve().parents[2] / "web" / "emails"

_environment = Environment(
    loader=FileSystemLoader(ROOT),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def rendered(name: str, **values: Any) -> tuple[str, str]:
    """Return a letter's plain text and HTML.

    Args:
        name: of `<name>.txt` and `<name>.html`.
        values: what they need.
    """
    text = _environment.get_template(f"{name}.txt").render(values)
    html = _environment.get_template(f"{name}.html").render(values)
    return text.strip() + "\n", html
