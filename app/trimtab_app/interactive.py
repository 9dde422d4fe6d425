"""A report whose figures can be zoomed: one file with plotly inside, no request to any host.

The page of `trimtab.evidence.html`, with live charts where it draws series and maps. Bars have
nothing to zoom into, and stay. Without scripts the page shows what the plain one shows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trimtab.contracts.figure import Figure
from trimtab.evidence.content import Artefact, build_document
from trimtab.evidence.figures import render_both
from trimtab.evidence.figures_json import FIGURES_FILE, figures_from_json
from trimtab.evidence.html import render_html
from trimtab.evidence.result import Result
from trimtab.run.comparison import INTERACTIVE

from trimtab_app import theme
from trimtab_app.charts import figure_chart

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
)
STARTER = (Path(__file__).parent / "static" / "interactive.js").read_text(encoding="utf-8")


class Drawer:
    """Draws figures as places for charts, and remembers what belongs there."""

    def __init__(self) -> None:
        self.charts: list[dict[str, Any]] = []

    def __call__(self, figure: Figure) -> str:
        """Markup of one figure."""
        still = render_both(figure)
        if figure.kind == "bars":
            return still
        self.charts.append(figure_chart(figure))
        place = f'<div class="chart" id="chart-{len(self.charts) - 1}"></div>'
        return f"{place}<noscript>{still}</noscript>"


def write_interactive(run_dir: Path) -> Path:
    """Write the page beside the report of a run, from what that report was made of."""
    from plotly.offline import get_plotlyjs

    result = Result.from_json((run_dir / "result.json").read_bytes())
    figures = figures_from_json((run_dir / FIGURES_FILE).read_bytes())
    facts = json.loads((run_dir / "manifest.json").read_text(encoding="utf-8"))
    files = [
        Artefact(name, (run_dir / name).stat().st_size, sha256)
        for name, sha256 in facts["files"].items()
        if (run_dir / name).is_file()
    ]
    drawer = Drawer()
    document = build_document(result, figures, files, facts["command"])
    page = render_html(document, drawer, POLICY)
    scripts = _scripts(get_plotlyjs(), drawer.charts) if drawer.charts else ""
    path = run_dir / INTERACTIVE
    path.write_text(page.replace("</body>", f"{scripts}</body>"), encoding="utf-8")
    return path


def _scripts(library: str, charts: Sequence[dict[str, Any]]) -> str:
    light = (*theme.LIGHT["chartCategoricalColors"], *theme.MAP_LIGHT)
    dark = (*theme.DARK["chartCategoricalColors"], *theme.MAP_DARK)
    shades = dict(zip(light, dark, strict=True))
    drawn = json.dumps(charts)
    for colour, instead in shades.items():  # the app may have drawn them for its dark theme
        drawn = drawn.replace(instead, colour)
    content = f'{{"charts": {drawn}, "shades": {json.dumps(shades)}}}'.replace("<", "\\u003c")
    return (
        f"<script>{library}</script>"
        f'<script type="application/json" id="charts">{content}</script>'
        f"<script>{STARTER}</script>"
    )
