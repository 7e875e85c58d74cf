"""Filling variables. The golden cases are the JavaScript twin's too: see tests/journeys/test_admin.py."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.canned.render import VARIABLES, check, render
from app.errors import Invalid

CASES = json.loads((Path(__file__).parents[1] / "golden" / "canned.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["body"] for case in CASES])
def test_golden_case_is_filled_as_written_down(case: dict[str, object]) -> None:
    done = render(str(case["body"]), case["values"])  # pyright: ignore[reportArgumentType]
    assert (done.text, done.unfilled) == (case["text"], case["unfilled"])


@given(st.text(), st.dictionaries(st.sampled_from(VARIABLES), st.text()))
def test_text_without_braces_stays_as_it_is(body: str, values: dict[str, str]) -> None:
    body = body.replace("{", "(").replace("}", ")")
    assert render(body, values).text == body


@given(st.text())
def test_a_value_is_never_filled_again(value: str) -> None:
    done = render("<{{visitor.name}}>", {"visitor.name": f"x{value}", "agent.name": "Ana"})
    assert done.text == "<" + f"x{value}".rstrip(" \t\n") + ">"
    assert done.unfilled == []


@given(st.text(alphabet="{}|. \tabvisitor.name", max_size=60))
def test_whatever_passes_the_check_names_only_known_variables(body: str) -> None:
    refused: Invalid | None = None
    try:
        check(body)
    except Invalid as error:
        refused = error
    if refused:
        assert refused.field == "body"
    else:
        assert set(render(body, {}).unfilled) <= set(VARIABLES)


@pytest.mark.parametrize(
    "body", ["{{visitor.nmae}}", "{{visitor.phone|x}}", "{{}}", "{{visitor.name", "visitor.name}}", "{{__class__}}"]
)
def test_a_body_that_can_never_be_filled_is_refused_beside_its_field(body: str) -> None:
    with pytest.raises(Invalid) as caught:
        check(body)
    assert (caught.value.code, caught.value.field) == ("invalid", "body")


@pytest.mark.parametrize("body", ["", "Plain.", "{ one brace }", "Hi {{ visitor.name | there }}!", "{{site.name|}}"])
def test_a_body_that_can_be_filled_passes(body: str) -> None:
    check(body)
