"""Plug-ins: what is installed, what it offers, and what is broken with the reason."""

from __future__ import annotations

import streamlit as st
from trimtab.contracts.domain import DomainManifest
from trimtab.contracts.registry import Plugin, plugins

from trimtab_app import markup, navigation, session

KINDS = {"control": "control, decided step by step", "design": "design, evaluated once"}


def show() -> None:
    """Draw the page."""
    markup.title("Plug-ins", "Domains come from installed packages; the app knows none of them.")
    shown = [
        p
        for p in plugins()
        if p.manifest is None or session.shows_hidden() or not p.manifest.hidden
    ]
    broken = [p for p in shown if p.manifest is None]
    for plugin in broken:
        markup.show(markup.badge("failed"))
        markup.faults([(plugin.name, f"is broken: {plugin.broken}; the others are untouched")])
    working = [p for p in shown if p.manifest is not None]
    if not working:
        markup.empty("No domain is installed", "Install an extra, for example trimtab[traffic].")
    for plugin in working:
        _plugin(plugin)


def _plugin(plugin: Plugin) -> None:
    if plugin.manifest is None:
        return
    with st.container(border=True, key=f"plugin-{plugin.name}"):
        st.subheader(plugin.manifest.title, anchor=False)
        for domain in plugin.manifest.domains:
            _domain(domain)


def _domain(domain: DomainManifest) -> None:
    about = [
        ("Domain", f"{domain.name}: {domain.title}"),
        ("Kind", KINDS[domain.kind]),
        ("Reads", ", ".join(domain.imports)),
        ("Writes", ", ".join(domain.exports)),
        ("Libraries", f"extra [{domain.extra}]" if domain.extra else "the base installation"),
        ("Licences", "; ".join(domain.licences)),
    ]
    markup.facts([(term, value) for term, value in about if value])
    navigation.link(f"New scenario of {domain.name}", "scenarios", domain=domain.name)
