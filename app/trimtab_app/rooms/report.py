"""Report: preview of a run's report, and its parts to download."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import streamlit as st
from trimtab.run.comparison import REPORT_PARTS, render_again

from trimtab_app import markup, navigation, results
from trimtab_app.interactive import write_interactive

MIMES = {".html": "text/html", ".md": "text/markdown", ".json": "application/json"}
NAMES = {
    "report.html": "HTML page",
    "report.md": "Markdown",
    "result.json": "Result (JSON)",
    "manifest.json": "Manifest",
}


def show() -> None:
    """Draw the page."""
    markup.title("Report", "One page that stands on its own: no script, no request to any host.")
    run = results.pick_run("Run", "run")
    if run is None:
        markup.empty(
            "No finished run yet", "A run that came to its end has a report. Start one first."
        )
        navigation.link("Start a run", "run")
        return
    folder = results.run_dir(run)
    if not (folder / "report.html").exists():
        render_again(folder)
    _downloads(run, folder)
    st.iframe(folder / "report.html", height=900, alt=f"Report of run {run}")


def _downloads(run: str, folder: Path) -> None:
    with st.container(horizontal=True):
        st.download_button(
            "Everything (zip)",
            data=lambda: _archive(folder),
            file_name=f"{run}.zip",
            mime="application/zip",
            type="primary",
            on_click="ignore",
        )
        st.download_button(
            "Interactive page",
            data=lambda: write_interactive(folder).read_bytes(),
            file_name=f"{run}-interactive.html",
            mime="text/html",
            on_click="ignore",
            help="charts to zoom into; 5 MB, opens without a network",
        )
        for name, label in NAMES.items():
            path = folder / name
            if path.exists():
                st.download_button(
                    label,
                    data=path.read_bytes(),
                    file_name=f"{run}-{name}",
                    mime=MIMES[path.suffix],
                    on_click="ignore",
                )


def _archive(folder: Path) -> bytes:
    """The parts of a report as a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in (folder / name for name in REPORT_PARTS):
            files = sorted(part.rglob("*")) if part.is_dir() else [part]
            for path in (p for p in files if p.is_file()):
                archive.write(path, path.relative_to(folder).as_posix())
    return out.getvalue()
