"""Run: choose controllers and seeds, see what it will take, start; then follow one run."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from pathlib import Path

import streamlit as st
import typer
from trimtab.cli.options import seeds_of
from trimtab.contracts.controller import BARE, Entry
from trimtab.contracts.errors import TrimtabError
from trimtab.contracts.scenario import DesignScenario
from trimtab.run.catalogue import shipped_summaries
from trimtab.run.design_plan import choose_designs
from trimtab.run.scenario_file import LoadedScenario, load_scenario
from trimtab.run.supervisor import supervisor_pid
from trimtab.run.sweep import points_of

from trimtab_app import (
    choices,
    file_check,
    following,
    markup,
    navigation,
    queueing,
    results,
    session,
    sweeps,
)
from trimtab_app.drafts import read_draft
from trimtab_app.estimate import duration, estimate, size
from trimtab_app.scenario_library import Library

SHIPPED = "shipped: "


def show() -> None:
    """Draw the page."""
    run = str(st.query_params.get("run", ""))
    if run:
        following.show(run)
        return
    markup.title(
        "Run",
        "Every controller meets the same seeds. Close the browser when it runs: the work goes on, "
        "and what is known already is not computed again.",
    )
    chosen = _pick_scenario()
    if chosen is None:
        return
    source, loaded = chosen
    offered = _offered(loaded)
    controllers = _pick_controllers(loaded, offered)
    seeds = _pick_seeds(loaded)
    if not controllers or not seeds:
        markup.lead("Choose at least one controller and one seed.")
        return
    sweep = sweeps.pick(loaded)
    points = 1 if sweep is None else len(points_of(sweep))
    known = _estimate(loaded, controllers, seeds, points)
    wanted = _button(queueing.Choice(tuple(controllers), seeds, sweep), known)
    if wanted is not None:
        _start(source, loaded, wanted)


def _pick_scenario() -> tuple[str, LoadedScenario] | None:
    library = Library.of(session.workspace())
    shipped = {s.id: s for s in shipped_summaries(hidden=session.shows_hidden())}
    options = [*library.names(), *(f"{SHIPPED}{name}" for name in shipped)]
    if not options:
        markup.empty("No scenario yet", "Set one up first.")
        navigation.link("Set up a scenario", "scenarios")
        return None
    name = choices.pick("Scenario", "scenario", options)
    if name.startswith(SHIPPED):
        source = name.removeprefix(SHIPPED)
        return source, load_scenario(source)
    return _own(library, name)


def _own(library: Library, name: str) -> tuple[str, LoadedScenario] | None:
    path = library.path(name)
    draft = read_draft(path, session.workspace())
    if draft.loaded is None:
        markup.faults([(f"{f.line}:{f.column}", f"{f.key}: {f.message}") for f in draft.faults])
        navigation.link("Mend it in the editor", "scenarios", scenario=name)
        return None
    navigation.link("Edit this scenario", "scenarios", scenario=name)
    return (str(path), draft.loaded) if file_check.show(library, name) else None


def _offered(loaded: LoadedScenario) -> Mapping[str, Entry]:
    problem = loaded.scenario.problem
    if isinstance(loaded.scenario, DesignScenario):
        found = choose_designs(loaded.domain, problem)  # reference designs join every run
        return {choice.name: choice.entry for choice in found if choice.entry.role != "reference"}
    return loaded.domain.controllers(problem)


def _pick_controllers(loaded: LoadedScenario, offered: Mapping[str, Entry]) -> list[str]:
    bare = {f"{name}{BARE}" for name in offered} & set(offered)
    shown = {name: entry for name, entry in offered.items() if name not in bare}
    named = [name for name in loaded.scenario.controllers if name in offered]
    wanted = named or [name for name, entry in offered.items() if not entry.untrained]
    chosen = st.multiselect(
        "Controllers",
        list(shown),
        default=[name for name in shown if name in wanted],
        format_func=lambda name: f"{name} ({offered[name].role})",
        key=f"controllers-{loaded.source}",
    )
    if bare and st.toggle(
        "Each of them without the shield too",
        value=any(name not in shown for name in wanted),
        help="watched, not protected: shows what the shield costs and prevents",
        key=f"bare-{loaded.source}",
    ):
        chosen = [*chosen, *(f"{name}{BARE}" for name in chosen if f"{name}{BARE}" in bare)]
    with st.expander(f"What they are ({len(shown)})"):
        markup.table(
            "Controllers offered on this scenario.",
            ("Controller", "Role", "What it is", "Shield"),
            [(n, e.role, e.help, "on" if e.shielded else "none") for n, e in shown.items()],
            text=(0, 1, 2, 3),
        )
    return list(chosen)


def _pick_seeds(loaded: LoadedScenario) -> tuple[int, ...]:
    text = st.text_input(
        "Seeds",
        value=", ".join(map(str, loaded.scenario.seeds)),
        help="1, 2, 3 or 1..5; three or more give intervals",
        key=f"seeds-{loaded.source}",
    )
    try:
        return seeds_of(text.strip(), "") if text.strip() else ()
    except typer.BadParameter as error:
        markup.show(f'<p class="problem" role="alert">{escape(error.message)}</p>')
        return ()


def _estimate(
    loaded: LoadedScenario, controllers: list[str], seeds: tuple[int, ...], points: int
) -> bool:
    """Show what the run will take; whether time and disk are known."""
    scenario = loaded.scenario
    expected = estimate(
        results.workspace(), scenario.domain, scenario.name, controllers, len(seeds) * points
    )
    free = shutil.disk_usage(session.workspace()).free
    slots = session.slots()
    time_said = "not known yet"
    if expected.cpu_s is not None:
        time_said = f"about {duration(expected.cpu_s / slots)}"
    disk = "not known yet" if expected.disk_bytes is None else size(expected.disk_bytes)
    episodes = f"{len(controllers)} controllers × {len(seeds)} seeds"
    episodes += f" × {points} points" if points > 1 else ""
    markup.tiles(
        [
            ("Episodes", f"{expected.episodes:,}", f"{episodes}, and the bound of each seed"),
            ("Time", time_said, f"on {slots} worker{'s' if slots > 1 else ''}, {expected.basis}"),
            ("Disk", disk, f"of {size(free)} that are free"),
        ]
    )
    return expected.cpu_s is not None


def _button(chosen: queueing.Choice, known: bool) -> queueing.Choice | None:
    """What is to be started now, if a button was pressed."""
    if supervisor_pid(session.workspace()) is None:
        markup.lead("No worker is up: what you start waits until trimtab worker or the app runs.")
    if st.button("Start", type="primary", key="start"):
        return chosen
    first = replace(chosen, seeds=chosen.seeds[:1], sweep=None)
    said = "its episodes tell time and disk, and are not computed again"
    offered = not known and first != chosen
    return first if offered and st.button("Play one seed first", key="sample", help=said) else None


def _start(source: str, loaded: LoadedScenario, chosen: queueing.Choice) -> None:
    words = ["trimtab", "run" if chosen.sweep is None else "sweep", source]
    words += ["--controllers", ",".join(chosen.controllers)]
    words += ["--seeds", ",".join(map(str, chosen.seeds)), "--workspace", str(session.workspace())]
    words += [] if chosen.sweep is None else ["--set", queueing.sweep_setting(chosen.sweep)]
    library = Library.of(session.workspace())
    if Path(source).is_file():
        library.save(Path(source).parent.name)
    request = queueing.Request(
        str(session.workspace()), source, chosen, session.user(), shlex.join(words)
    )
    with st.spinner("Planning the jobs"):
        try:
            queued = queueing.enqueue(request)
        except TrimtabError as error:
            markup.faults([("", line) for line in str(error).splitlines()])
            return
    if chosen.sweep is not None:
        navigation.go("runs", sweep=queued)
    navigation.go("run", run=queued)
