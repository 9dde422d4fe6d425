import sys
from typing import Any

import pytest


@pytest.mark.parametrize("host", ["0.0.0.0", "10.1.2.3"])  # noqa: S104
def test_the_app_is_not_opened_to_other_machines_by_itself(trimtab: Any, host: str) -> None:
    ended = trimtab("app", "--host", host, "--json")
    assert ended.code == 2
    assert "--i-know-this-is-open" in ended.document["error"]


def test_a_missing_library_is_answered_with_the_extra(
    trimtab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "streamlit", None)
    ended = trimtab("app")
    assert ended.code == 3
    assert 'pip install "trimtab[app]"' in ended.err
