"""The script that Streamlit runs for every page view: frame, sign-in, tour, page."""

from __future__ import annotations

import os
import sqlite3
from html import escape

import streamlit as st
from trimtab.contracts.errors import TrimtabError
from trimtab.run.machine_faults import machine_fault

from trimtab_app import markup, navigation, session, theme, tour


def main() -> None:
    """Show the page that the address names."""
    st.set_page_config(
        page_title="Trimtab",
        page_icon=theme.PAGE_ICON,
        layout="wide",
        initial_sidebar_state="collapsed",
    )
    st.html(theme.STYLE)
    st.logo(theme.LOGO, size="large")
    shared = bool(os.environ.get(session.SIGN_IN))
    if shared and not st.user.get("is_logged_in"):
        _sign_in()
        return
    chosen = st.navigation([navigation.page(name) for name in navigation.PAGES], position="top")
    if shared:
        _signed_in()
    tour.banner()
    try:
        chosen.run()
    except (TrimtabError, OSError, sqlite3.Error, MemoryError) as error:
        known = error if isinstance(error, TrimtabError) else machine_fault(error)
        if known is None:
            raise
        markup.faults([("", line) for line in str(known).splitlines()])


def _sign_in() -> None:
    markup.title("Sign in", "This workspace is shared: say who you are.")
    st.button("Sign in", type="primary", on_click=st.login)


def _signed_in() -> None:
    with st.container(horizontal=True, horizontal_alignment="right", key="who"):
        markup.show(f'<span class="muted">{escape(session.user())}</span>')
        st.button("Sign out", key="sign-out", on_click=st.logout)


if __name__ == "__main__":
    main()
