"""Select boxes whose choice the address keeps, so that a link shows the same view again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st


def pick(
    label: str,
    parameter: str,
    options: Sequence[str],
    default: str | None = None,
    format_func: Callable[[str], str] = str,
) -> str:
    """What is chosen; the address says it at first, and again whenever a link changes it.

    The box keeps one key: another one would forget what a user has just chosen in it. What is
    chosen is written into the address, which the browser shows a moment later. Until then it may
    still report an address from before: that one is no link, so it changes nothing.

    Args:
        label: of the box.
        parameter: of the address.
        options: at least one.
        default: where the address says nothing that is on offer; the first option if left out.
        format_func: how an option is shown.
    """
    key, seen, behind = (f"{what}-{parameter}" for what in ("pick", "seen", "behind"))
    state = st.session_state
    asked = st.query_params.get(parameter, "")
    if asked in options and asked not in {state.get(seen), *state.get(behind, ())}:
        state[key] = asked
    elif state.get(key) not in options:
        state[key] = options[0] if default is None else default
    if asked == state[key] == state.get(seen):  # the browser shows what was chosen
        state[behind] = ()
    state[seen] = asked

    def chosen_now() -> None:
        before = st.query_params.get(parameter, "")
        state[behind] = (*state.get(behind, ()), before, state[key])
        st.query_params[parameter] = state[key]
        state[seen] = None

    st.selectbox(label, options, format_func=format_func, key=key, on_change=chosen_now)
    if st.query_params.get(parameter, "") not in options:
        st.query_params[parameter] = state[key]
    return str(state[key])
