"""Writes a report: one HTML page, Markdown, SVG figures, CSV tables and a manifest.

Same inputs, same bytes: times belong in the manifest that the caller passes, nowhere else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab.contracts.figure import Figure
from trimtab.evidence.content import Artefact, build_document
from trimtab.evidence.csv_tables import figure_table, result_tables
from trimtab.evidence.document import figures_of
from trimtab.evidence.figures import render_svg
from trimtab.evidence.figures_json import FIGURES_FILE, figures_to_json
from trimtab.evidence.html import render_html
from trimtab.evidence.markdown import render_markdown
from trimtab.evidence.result import Result
from trimtab.evidence.svg import standalone


@dataclass(frozen=True, slots=True)
class Report:
    """Where the parts of a report lie."""

    html: Path
    markdown: Path
    manifest: Path


def write_report(
    result: Result,
    figures: Sequence[Figure],
    out_dir: Path,
    *,
    command: str = "",
    artefacts: Sequence[Path] = (),
    manifest: Mapping[str, Any] | None = None,
) -> Report:
    """Write a report into a folder; files of an older one there are replaced.

    Args:
        result: The comparison.
        figures: The domain's views of it; the headline figure is added in front.
        out_dir: Folder, made if missing.
        command: What reproduces the run.
        artefacts: Existing files of the run to list with their SHA-256.
        manifest: Plain facts about the run (versions, times) for `manifest.json`.

    Returns:
        Paths of the page, the Markdown file and the manifest.
    """
    listed = [_artefact(path, out_dir) for path in artefacts]
    draft = build_document(result, figures, (), command)
    drawn = figures_of(draft)
    names = [f"figures/figure-{i:02d}.svg" for i in range(1, len(drawn) + 1)]
    texts = {f"tables/{name}": text for name, text in result_tables(result).items()}
    for name, figure in zip(names, drawn, strict=True):
        texts[name] = standalone(render_svg(figure))
        texts[f"tables/{Path(name).stem}.csv"] = figure_table(figure)
    texts[FIGURES_FILE] = figures_to_json(figures)
    written = [_write(out_dir, name, text) for name, text in texts.items()]
    document = build_document(result, figures, [*listed, *written], command)
    pages = [
        _write(out_dir, "report.html", render_html(document)),
        _write(out_dir, "report.md", render_markdown(document, tuple(names))),
    ]
    facts = {
        "schema": "trimtab/report/1",
        "run": dict(manifest or {}),
        "command": command,
        "files": {a.name: a.sha256 for a in [*listed, *written, *pages]},
    }
    _write(out_dir, "manifest.json", json.dumps(facts, indent=2, sort_keys=True) + "\n")
    return Report(out_dir / "report.html", out_dir / "report.md", out_dir / "manifest.json")


def _artefact(path: Path, out_dir: Path) -> Artefact:
    content = path.read_bytes()
    name = path.relative_to(out_dir) if path.is_relative_to(out_dir) else Path(path.name)
    return Artefact(name.as_posix(), len(content), hashlib.sha256(content).hexdigest())


def _write(out_dir: Path, name: str, text: str) -> Artefact:
    """Write one file so that a reader never sees half of it."""
    path = out_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode()
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(content)
    draft.replace(path)
    return Artefact(name, len(content), hashlib.sha256(content).hexdigest())
