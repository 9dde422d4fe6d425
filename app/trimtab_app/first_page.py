"""What a browser gets first: Streamlit's page, and a script that fetches the rest while it waits.

Streamlit fetches the code of an element when one is drawn for the first time; a page with a dozen
elements then waits for thirty files in a row. Here they are fetched as soon as the first page
stands and the browser has nothing else to do.
"""

from __future__ import annotations

import json
from pathlib import Path

ELEMENTS = (
    "TextInput",
    "Selectbox",
    "BidiComponent",
    "Pagination",
    "Multiselect",
    "ButtonGroup",
    "NumberInput",
    "TextArea",
    "Checkbox",
)
"""Elements of the pages, by the name of the file that draws each; charts come when they are met."""

_SCRIPT = """
<script type="module">
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  const fetched = %s;
  const fetchOne = () => import(fetched.shift()).catch(() => 0);
  const next = () => fetched.length && fetchOne().then(() => idle(next));
  const drawn = () => document.querySelector(".page-title") ? idle(next) : setTimeout(drawn, 300);
  drawn();
</script>
"""


def first_page(static: Path) -> str:
    """Streamlit's page with the script added.

    Args:
        static: folder of Streamlit's own files. Elements without a file there are left out.
    """
    files = [file for name in ELEMENTS for file in sorted(static.glob(f"static/js/{name}.*.js"))]
    paths = json.dumps([f"./{file.relative_to(static).as_posix()}" for file in files])
    page = (static / "index.html").read_text(encoding="utf-8")
    return page.replace("</body>", f"{_SCRIPT % paths}</body>")
