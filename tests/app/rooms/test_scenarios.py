"""The scenario editor: form and YAML are one document, validated while one edits."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from trimtab.contracts.errors import InputFileError
from trimtab_app.rooms.scenarios import import_files
from trimtab_app.scenario_library import Library
from trimtab_app.uploads import Upload

Page = Callable[..., AppTest]
TextOf = Callable[[AppTest], str]
TEXT = """\
# kept
schema: trimtab/scenario/1
name: mine
domain: toy.tank
problem:
  horizon_h: 24
"""


@pytest.fixture
def library(workspace: Path) -> Library:
    library = Library.of(workspace)
    library.create("mine", TEXT)
    return library


def field(app: AppTest, label: str) -> object:
    return next(one for one in app.number_input if one.label.startswith(label))


def test_the_form_shows_unit_range_and_value(page: Page, library: Library) -> None:
    number = field(page("scenarios", scenario="mine"), "Horizon")
    assert number.label == "Horizon (h), 2 to 8760"
    assert number.value == 24
    assert number.help == "length of an episode, h"


def test_an_edit_in_the_form_changes_the_yaml_and_keeps_comments(
    page: Page, library: Library
) -> None:
    app = page("scenarios", scenario="mine")
    field(app, "Horizon").set_value(48).run()
    assert library.text("mine") == TEXT.replace("24", "48")
    assert app.text_area[0].value == library.text("mine")


def test_an_edit_in_the_yaml_changes_the_form(page: Page, library: Library) -> None:
    app = page("scenarios", scenario="mine")
    app.text_area[0].set_value(TEXT.replace("24", "12")).run()
    assert field(app, "Horizon").value == 12


def test_faults_appear_while_editing_with_line_and_column(
    page: Page, library: Library, text_of: TextOf
) -> None:
    app = page("scenarios", scenario="mine")
    app.text_area[0].set_value(TEXT.replace("horizon_h: 24", "horizont_h: 24")).run()
    said = text_of(app)
    assert "<code>6:3</code>problem.horizont_h: unknown key" in said
    assert "Did you mean" in said


def test_yaml_that_cannot_be_read_costs_only_the_form(
    page: Page, library: Library, text_of: TextOf
) -> None:
    app = page("scenarios", scenario="mine")
    app.text_area[0].set_value("name: [").run()
    assert "mend it" in text_of(app)
    assert not app.number_input


def test_a_form_that_was_replaced_changes_nothing_with_what_it_still_reports(
    page: Page, library: Library
) -> None:
    app = page("scenarios", scenario="mine")
    field(app, "Horizon").set_value(48)
    app.session_state["form:mine"] = 1  # meanwhile the YAML was edited
    app.run()
    assert library.text("mine") == TEXT


def test_yaml_that_was_replaced_changes_nothing_with_what_it_still_reports(
    page: Page, library: Library
) -> None:
    app = page("scenarios", scenario="mine")
    app.text_area[0].set_value("name: old")
    app.session_state["yaml:mine"] = 1  # meanwhile the form was edited
    app.run()
    assert library.text("mine") == TEXT


WORKLOADS = """\
schema: trimtab/scenario/1
name: two
domain: hardware.dram
problem:
  # what is played
  workloads:
    - {seed: stream, requests: 300}
    - {seed: random, requests: 500}
"""


def requests_of(app: AppTest) -> list[object]:
    return [one.value for one in app.number_input if one.key.endswith(".requests")]


def test_items_are_taken_out_and_added_and_the_form_shows_those_that_are_left(
    page: Page, library: Library
) -> None:
    library.create("two", WORKLOADS)
    app = page("scenarios", scenario="two")
    next(b for b in app.button if b.label == "Remove number 1").click().run()
    assert requests_of(app) == [500]
    next(b for b in app.button if b.label == "Add to workloads").click().run()
    assert requests_of(app) == [500, 10000]
    text = library.text("two")
    assert text.count("workloads:") == 1
    assert "# what is played" in text


def test_versions_are_saved_and_restored(page: Page, library: Library) -> None:
    app = page("scenarios", scenario="mine")
    next(b for b in app.button if b.label == "Save version").click().run()
    field(app, "Horizon").set_value(48).run()
    next(b for b in app.button if b.label == "Restore version 1").click().run()
    assert library.text("mine") == TEXT
    assert field(app, "Horizon").value == 24


def test_a_reload_finds_the_last_edit(page: Page, library: Library) -> None:
    field(page("scenarios", scenario="mine"), "Horizon").set_value(36).run()
    assert field(page("scenarios", scenario="mine"), "Horizon").value == 36


OWN_NETWORK = """\
schema: trimtab/scenario/1
name: mine
domain: traffic.signals
problem:
  network: {net: files/own.net.xml, routes: [files/own.rou.xml]}
"""


@pytest.mark.parametrize("room", ["scenarios", "run"])
def test_files_that_cannot_be_used_are_said_before_a_run(
    room: str, page: Page, workspace: Path, text_of: TextOf
) -> None:
    library = Library.of(workspace)
    name = library.create("own", OWN_NETWORK)
    files = library.home(name) / "files"
    files.mkdir()
    (files / "own.net.xml").write_text("<net><edge", encoding="utf-8")
    (files / "own.rou.xml").write_text("<routes/>", encoding="utf-8")
    app = page(room, scenario=name)
    assert "own.net.xml" in text_of(app).partition('class="faults"')[2]
    assert "start" not in [button.key for button in app.button]


def test_a_scenario_that_is_not_there_is_said(
    page: Page, library: Library, text_of: TextOf
) -> None:
    assert "there is no such scenario" in text_of(page("scenarios", scenario="other"))


def test_a_refused_upload_leaves_nothing_behind(workspace: Path) -> None:
    library = Library.of(workspace)
    upload = Upload("evil.net.xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><net/>")
    with pytest.raises(InputFileError):
        import_files(library, "traffic.signals", "evil", [upload])
    assert library.names() == []
    assert not [p for p in workspace.rglob("*") if p.is_file()]
