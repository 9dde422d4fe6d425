"""Scenarios: choose one, edit it as a form or as YAML, bring your own files, keep versions."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st
from trimtab.contracts.errors import InputFileError, TrimtabError
from trimtab.contracts.registry import load_domain
from trimtab.contracts.scenario import scenario_model
from trimtab.run.catalogue import shipped_summaries
from trimtab.run.template import scenario_template

from trimtab_app import choices, confined, file_check, markup, navigation, session
from trimtab_app.drafts import Draft, read_draft
from trimtab_app.fields import fields_of
from trimtab_app.form import Form, Path
from trimtab_app.references import check_references
from trimtab_app.scenario_library import FILES, Library
from trimtab_app.uploads import Shelf, Upload, unpacked
from trimtab_app.yaml_edit import REMOVED, edited

ELSEWHERE = ("schema", "name", "domain", "problem", "controllers", "sweep")
"""Keys that the page sets itself, that the Run page chooses, or that only YAML sets."""


def show() -> None:
    """Draw the page."""
    markup.title(
        "Scenarios",
        "A scenario says what system, under which rules and demand. Form and YAML are one "
        "document; it is kept with every edit.",
    )
    library = Library.of(session.workspace())
    name = str(st.query_params.get("scenario", ""))
    if name and name in library.names():
        _editor(library, name)
        return
    if name:
        markup.faults([(name, "there is no such scenario in this workspace")])
    _own(library)
    _new(library)


def _own(library: Library) -> None:
    names = library.names()
    if not names:
        return
    st.subheader("Your scenarios", anchor=False)
    with st.container(border=True, key="own"):
        for name in names:
            with st.container(horizontal=True, key=f"own-{name}"):
                navigation.link(name, "scenarios", scenario=name)
                saved = len(library.versions(name))
                markup.show(f'<span class="muted">{saved or "no"} saved versions</span>')


def _new(library: Library) -> None:
    st.subheader("New scenario", anchor=False)
    domains = session.domains()
    if not domains:
        markup.empty("No domain is installed", "Install an extra, for example trimtab[traffic].")
        return
    chosen = choices.pick(
        "Domain",
        "domain",
        list(domains),
        format_func=lambda name: f"{domains[name].title} ({name})",
    )
    left, right = st.columns(2, gap="large")
    with left:
        _from_shipped(library, chosen)
    with right:
        _from_files(library, chosen, domains[chosen].imports)


def _from_shipped(library: Library, domain: str) -> None:
    st.markdown("**From a shipped scenario**")
    shipped = [s for s in shipped_summaries(hidden=session.shows_hidden()) if s.domain == domain]
    by_id = {s.id: s for s in shipped}
    start = st.selectbox(
        "Start from",
        ["", *by_id],
        index=1 if by_id else 0,
        format_func=lambda name: name or "an empty template",
    )
    if start:
        markup.lead(by_id[start].description or "No description.")
    if st.button("Create", type="primary", key="create-shipped"):
        if start:
            text = by_id[start].path.read_text(encoding="utf-8")
            name = library.create(start.rpartition("/")[2], text)
        else:
            name = library.create(domain.replace(".", "-"), scenario_template_of(domain))
        navigation.go("scenarios", scenario=name)


def scenario_template_of(domain: str) -> str:
    """The commented template of a domain."""
    return scenario_template(load_domain(domain), "scenario")


def _from_files(library: Library, domain: str, reads: tuple[str, ...]) -> None:
    st.markdown("**From your own files**")
    if not reads:
        markup.lead("This domain imports no files: start from a template and fill it in.")
        return
    files = st.file_uploader(
        "Files, or one zip of them",
        accept_multiple_files=True,
        help="; ".join(reads),
        key="new-files",
    )
    name = st.text_input("Name", value="mine", key="new-name")
    if st.button("Import", key="import", disabled=not files):
        uploads = [Upload(file.name, file.getvalue()) for file in files]
        with st.spinner("Reading your files"):
            _import(library, domain, name, uploads)


def _import(library: Library, domain: str, name: str, uploads: list[Upload]) -> None:
    free = library.free_name(name)
    try:
        notes = import_files(library, domain, free, uploads)
    except TrimtabError as error:
        markup.faults([("import", line) for line in str(error).splitlines()])
        return
    if notes:
        st.toast(notes, duration="long")
    navigation.go("scenarios", scenario=free)


def import_files(library: Library, domain: str, name: str, uploads: list[Upload]) -> str:
    """Make a scenario of uploaded files through the domain's importer; what it noted.

    Raises:
        InputFileError: a file is refused, with the reason; nothing is left behind.
    """
    shelf = Shelf.of(session.workspace(), session.user())
    try:
        return _imported(library, domain, name, uploads, shelf)
    except BaseException:
        if library.home(name).exists() and name not in library.names():
            library.delete(name)
        shelf.sweep()
        raise


def _imported(library: Library, domain: str, name: str, uploads: list[Upload], shelf: Shelf) -> str:
    home = library.home(name)
    members = [member for upload in uploads for member in unpacked(upload)]
    for member in members:
        check_references(member.name, member.content)
    paths = [shelf.place(member, home / FILES) for member in members]
    sources = [word for path in paths for word in ("--from", str(path.relative_to(home)))]
    ended = confined.command_line(["init", "--domain", domain, *sources, f"{name}.yaml"], home)
    if ended.code != 0:
        raise InputFileError(ended.reason)
    return ended.said


def _editor(library: Library, name: str) -> None:
    draft = read_draft(library.path(name), session.workspace())
    _toolbar(library, name, draft)
    left, right = st.columns([11, 9], gap="large")
    with right:
        _yaml(library, name, draft)
        below = st.container(key="files-read")
    with left:
        _form(library, name, draft)
        _attach(library, name)
    if draft.loaded is not None:
        with below:  # last, since reading files takes a moment
            file_check.show(library, name)


def _revision(name: str) -> int:
    """Counts changes that controls did not make themselves, so that they show the new value."""
    return int(st.session_state.get(f"revision:{name}", 0))


def _control(part: str, name: str) -> str:
    """Key of the YAML or the form as it is now; it changes when the other has been edited."""
    return f"{part}:{name}:{st.session_state.get(f'{part}:{name}', 0)}"


def _written(library: Library, name: str, text: str, *, controls: bool) -> None:
    library.write(name, text)
    part = "yaml" if controls else "form"
    for counter in (f"revision:{name}", f"{part}:{name}"):
        st.session_state[counter] = int(st.session_state.get(counter, 0)) + 1


def _toolbar(library: Library, name: str, draft: Draft) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key="toolbar"):
        navigation.link("All scenarios", "scenarios")
        if st.button("Save version", type="primary", disabled=draft.loaded is None):
            st.toast(f"Saved as version {library.save(name)}")
        if draft.loaded is not None and st.button("Run it"):
            library.save(name)
            navigation.go("run", scenario=name)
        if st.button("Duplicate"):
            navigation.go("scenarios", scenario=library.duplicate(name))
        _versions(library, name)
        with st.popover("Delete"):
            markup.lead("The scenario goes with its versions and files; its runs stay.")
            if st.button(f"Delete {name}", key="delete"):
                library.delete(name)
                Shelf.of(session.workspace(), session.user()).sweep()
                navigation.go("scenarios")
    st.subheader(name, anchor=False)


def _versions(library: Library, name: str) -> None:
    known = library.versions(name)
    if not known:
        return
    with st.popover(f"Versions ({len(known)})"):
        for number in reversed(known):
            if st.button(f"Restore version {number}", key=f"restore-{number}"):
                library.restore(name, number)
                _written(library, name, library.text(name), controls=False)
                _written(library, name, library.text(name), controls=True)
                st.rerun()


def _yaml(library: Library, name: str, draft: Draft) -> None:
    key = _control("yaml", name)

    def changed() -> None:
        if key == _control("yaml", name):  # a replaced text area may still report its old text
            _written(library, name, st.session_state[key], controls=False)

    with st.container(key="yaml"):
        st.text_area("YAML", value=library.text(name), key=key, height=520, on_change=changed)
    if draft.loaded is not None:
        markup.fine(f"Valid: {draft.loaded.scenario.domain}, {draft.loaded.scenario.name}")
        for note in draft.loaded.notes:
            markup.lead(note)
    else:
        markup.faults([_finding(fault) for fault in draft.faults])


def _finding(fault: Any) -> tuple[str, str]:
    said = f"{fault.key}: {fault.message}" if fault.key else fault.message
    return f"{fault.line}:{fault.column}", said


def _form(library: Library, name: str, draft: Draft) -> None:
    if not draft.parsed:
        markup.lead("The YAML cannot be read: mend it, and the form comes back.")
        return
    domain = draft.data.get("domain")
    if not isinstance(domain, str) or domain not in session.domains():
        markup.lead("The YAML names no installed domain, so there is no form.")
        return
    key = _control("form", name)
    form = Form(
        name=key,
        data=draft.data,
        files=library.files(name),
        messages=draft.at,
        change=partial(_edit, library, name, key),
    )
    problem_model = load_domain(domain).problem_model
    whole = fields_of(scenario_model(session.domains()[domain].kind, problem_model))
    form.show([field for field in whole if field.key not in ELSEWHERE], ())
    form.show(fields_of(problem_model), ("problem",))


def _edit(library: Library, name: str, key: str, path: Path, value: Any) -> None:
    if key != _control("form", name):  # a replaced form may still report what it held
        return
    text = edited(library.text(name), path, value)
    _written(library, name, text, controls=True)
    if isinstance(value, dict) or (value is REMOVED and isinstance(path[-1], int)):
        _written(library, name, text, controls=False)  # its controls stand for other values now


def _attach(library: Library, name: str) -> None:
    with st.expander(f"Files of this scenario ({len(library.files(name))})"):
        for own in library.files(name):
            markup.lead(own)
        key = f"attach:{name}:{_revision(name)}"
        files = st.file_uploader("Add files", accept_multiple_files=True, key=key)
        if st.button("Add", key="attach", disabled=not files):
            shelf = Shelf.of(session.workspace(), session.user())
            for file in files:
                for member in unpacked(Upload(file.name, file.getvalue())):
                    check_references(member.name, member.content)
                    shelf.place(member, library.home(name) / FILES)
            _written(library, name, library.text(name), controls=False)
            st.rerun()
