from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError, UnknownNameError
from trimtab_app.scenario_library import Library

TEXT = "schema: trimtab/scenario/1\nname: old\ndomain: toy.tank\nproblem: {}\n"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.of(tmp_path)


def test_a_new_scenario_carries_its_name(library: Library) -> None:
    name = library.create("My Town", TEXT)
    assert name == "my-town"
    assert "name: my-town\n" in library.text(name)


def test_a_name_that_is_taken_is_numbered(library: Library) -> None:
    assert [library.create("a", TEXT) for _ in range(3)] == ["a", "a-2", "a-3"]


def test_saving_makes_a_version_and_saving_again_none(library: Library) -> None:
    name = library.create("a", TEXT)
    assert library.save(name) == library.save(name) == 1
    library.write(name, TEXT + "# changed\n")
    assert library.save(name) == 2
    assert library.versions(name) == [1, 2]


def test_a_version_can_be_restored(library: Library) -> None:
    name = library.create("a", TEXT)
    library.save(name)
    first = library.text(name)
    library.write(name, "broken: [")
    library.restore(name, 1)
    assert library.text(name) == first


def test_a_copy_has_the_files_and_a_name_of_its_own(library: Library) -> None:
    name = library.create("a", TEXT)
    (library.home(name) / "files").mkdir()
    (library.home(name) / "files" / "net.xml").write_text("<net/>", encoding="utf-8")
    copy = library.duplicate(name)
    assert library.files(copy) == ["files/net.xml"]
    assert f"name: {copy}\n" in library.text(copy)


@pytest.mark.parametrize("name", ["../x", "/etc", "A", "", "a/b", "x" * 65])
def test_a_name_that_could_be_a_path_is_refused(library: Library, name: str) -> None:
    with pytest.raises(InputFileError, match="no scenario name"):
        library.home(name)


def test_an_unknown_scenario_is_named(library: Library) -> None:
    with pytest.raises(UnknownNameError, match="none"):
        library.text("none")


def test_a_deleted_scenario_is_gone(library: Library) -> None:
    name = library.create("a", TEXT)
    library.delete(name)
    assert library.names() == []
