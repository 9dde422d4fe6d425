"""The first page that a browser gets."""

from __future__ import annotations

import re
from pathlib import Path

from streamlit.file_util import get_static_dir
from trimtab_app.first_page import ELEMENTS, first_page


def test_every_element_is_fetched_ahead_by_a_path_that_exists() -> None:
    static = Path(get_static_dir())
    paths = re.findall(r'"\./(static/js/[^"]+)"', first_page(static))
    ahead = [path for path in paths if Path(path).name.partition(".")[0] in ELEMENTS]
    assert [Path(path).name.partition(".")[0] for path in ahead] == list(ELEMENTS)
    assert all((static / path).is_file() for path in ahead)


def test_an_element_that_streamlit_has_not_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<body></body>", encoding="utf-8")
    assert "const fetched = [];" in first_page(tmp_path)
