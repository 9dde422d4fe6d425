"""Plug-ins: what is installed, what it offers, and what is broken with the reason."""

from __future__ import annotations

import streamlit as st
from trimtab.contracts.domain import DomainManifest
from trimtab.contracts.registry import plugins
from trimtab.run.probe import NOT_CHECKED, Checked, Seen, look_at

from trimtab_app import markup, navigation, session

KINDS = {"control": "control, decided step by step", "design": "design, evaluated once"}


def show() -> None:
    """Draw the page."""
    markup.title("Plug-ins", "Domains come from installed packages; the app knows none of them.")
    shown = look_at(
        [
            p
            for p in plugins()
            if p.manifest is None or session.shows_hidden() or not p.manifest.hidden
        ]
    )
    for seen in shown:
        if seen.broken:
            markup.show(markup.badge("failed"))
            what = f"is broken: {seen.broken}; the others are untouched"
            markup.faults([(seen.plugin.name, what)])
    working = [seen for seen in shown if not seen.broken]
    if not working:
        markup.empty("No domain is installed", "Install an extra, for example trimtab[traffic].")
    for seen in working:
        _plugin(seen)


def _plugin(seen: Seen) -> None:
    plugin = seen.plugin
    if plugin.manifest is None:
        return
    with st.container(border=True, key=f"plugin-{plugin.name}"):
        st.subheader(plugin.manifest.title, anchor=False)
        for domain in plugin.manifest.domains:
            _domain(domain, seen.checked.get(domain.name))


def _domain(domain: DomainManifest, checked: Checked | None) -> None:
    unknown = f"{NOT_CHECKED} on this version: trimtab check-plugin {domain.name}"
    about = [
        ("Name", domain.name),
        ("Kind", KINDS[domain.kind]),
        ("Tier", unknown if checked is None else checked.said),
        ("Reads", ", ".join(domain.imports)),
        ("Writes", ", ".join(domain.exports)),
        ("Libraries", f"extra [{domain.extra}]" if domain.extra else "the base installation"),
        ("Licences", "; ".join(domain.licences)),
    ]
    st.markdown(f"**{domain.title}**")
    markup.facts([(term, value) for term, value in about if value])
    if checked is not None and checked.failed:
        markup.faults(checked.failed)
    navigation.link(f"New scenario of {domain.name}", "scenarios", domain=domain.name)
