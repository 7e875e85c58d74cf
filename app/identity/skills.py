"""Skills: short words for what somebody can do. A language is one, by its code: `en`, `pt`."""

from __future__ import annotations

import re

from app.errors import Invalid

MOST_SKILLS = 20
_SKILL = re.compile(r"[a-z0-9-]{1,30}")


def clean_skills(text: str, *, field: str = "skills") -> list[str]:
    """Return the skills of a line, in order, each once.

    Args:
        text: words by commas; blanks within a word become hyphens.
        field: its name, for the error.

    Raises:
        Invalid: a word has other characters than letters a to z, digits and hyphens, or more than 30 of them; or there
            are more than 20 words.
    """
    words = ["-".join(word.split()) for word in text.lower().split(",") if word.strip()]
    for word in words:
        if not _SKILL.fullmatch(word):
            shown = word if word.isprintable() and len(word) <= 40 else "One of these"
            raise Invalid(f"{shown}: only a to z, digits and hyphens, at most 30 of them.", field=field)
    skills = sorted(set(words))
    if len(skills) > MOST_SKILLS:
        raise Invalid(f"At most {MOST_SKILLS}, please.", field=field)
    return skills
