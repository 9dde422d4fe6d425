"""Markup that the app writes itself."""

from __future__ import annotations

import re
from base64 import b64decode

import pytest
from trimtab.contracts.figure import Axis, Bar, Figure
from trimtab_app import markup

FIGURE = Figure(
    "bars", "t", 'one bar, "a"', Axis("delay", "s"), bars=(Bar("a", 2.0, 1.0, 3.0, emphasis=True),)
)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr("streamlit.html", found.append)
    return found


def test_a_picture_says_in_words_what_it_shows_and_carries_values_and_theme(
    shown: list[str],
) -> None:
    markup.picture(FIGURE)
    assert 'alt="one bar, &quot;a&quot;"' in shown[0]
    svg = b64decode(re.findall(r"base64,([^\"]+)", shown[0])[0]).decode()
    assert "2.0 [1.0, 3.0]" in svg
    assert "prefers-color-scheme: dark" in svg


def test_a_picture_is_drawn_for_desktops_and_for_phones(shown: list[str]) -> None:
    markup.picture(FIGURE)
    drawn = re.findall(r'class="picture (\w+)" src="[^,]*,([^"]+)"', shown[0])
    sizes = {css: re.findall(r'width="(\d+)"', b64decode(svg).decode())[0] for css, svg in drawn}
    assert sizes == {"wide": "900", "narrow": "370"}


def test_what_a_user_wrote_is_no_markup(shown: list[str]) -> None:
    markup.log("<script>", "End of the log")
    markup.table("Caption.", ("A",), [("<b>",)])
    assert all("<script>" not in text and "<b>" not in text for text in shown)
