import pytest
from trimtab.cli.progress import progress_bar
from trimtab.run.execute import RunProgress


def test_without_a_terminal_notes_alone_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar() as show:
        show(RunProgress(6, 0, 0, 0, ("fixed, seed 1",)))
        show(RunProgress(6, 0, 0, 0, (), "the disk is full: jobs wait"))
    assert capsys.readouterr() == ("", "the disk is full: jobs wait\n")
