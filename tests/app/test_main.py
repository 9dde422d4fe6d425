"""The frame around every page."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from trimtab.contracts.errors import TrimtabError
from trimtab_app import theme
from trimtab_app.rooms import overview

TextOf = Callable[[AppTest], str]


def opened() -> AppTest:
    app = AppTest.from_file(str(theme.FOLDER / "main.py"), default_timeout=30)
    app.run()
    assert not app.exception
    return app


def test_the_default_page_is_the_overview(workspace: Path, text_of: TextOf) -> None:
    assert "Overview" in text_of(opened())


def test_whoever_is_not_signed_in_sees_nothing_but_the_door(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, text_of: TextOf
) -> None:
    monkeypatch.setenv("TRIMTAB_APP_SIGN_IN", "1")
    app = opened()
    assert [button.label for button in app.button] == ["Sign in"]
    assert "Overview" not in text_of(app)


def test_an_error_of_ours_is_a_sentence_on_the_page(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, text_of: TextOf
) -> None:
    def broken() -> None:
        msg = "store.db: cannot be written: give yourself write permission"
        raise TrimtabError(msg)

    monkeypatch.setattr(overview, "show", broken)
    assert "give yourself write permission" in text_of(opened())
