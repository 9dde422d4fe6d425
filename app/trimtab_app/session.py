"""What every page knows of its surroundings: the workspace, the user, and the store.

The server keeps no state of its own: all of this comes from the environment that `serve` set
and from the store.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import streamlit as st
from streamlit import runtime
from trimtab.contracts.domain import DomainManifest
from trimtab.contracts.registry import plugins
from trimtab.run.probe import Seen, look_at

WORKSPACE = "TRIMTAB_WORKSPACE"
SHOW_HIDDEN = "TRIMTAB_APP_ALL"
SIGN_IN = "TRIMTAB_APP_SIGN_IN"
SLOTS = "TRIMTAB_APP_SLOTS"
LOCAL_USER = "local"
KNOWN_S = 30


def workspace() -> Path:
    """Folder of the store, runs, scenarios and uploads."""
    return Path(os.environ.get(WORKSPACE, "trimtab-work")).resolve()


def shows_hidden() -> bool:
    """Whether test plug-ins are shown."""
    return bool(os.environ.get(SHOW_HIDDEN))


def slots() -> int:
    """Worker processes that the app asked for."""
    return int(os.environ.get(SLOTS) or 1)


def user() -> str:
    """Who is signed in, as a folder name; `local` where nobody has to."""
    if not os.environ.get(SIGN_IN):
        return LOCAL_USER
    name = str(st.user.get("email") or st.user.get("sub") or LOCAL_USER)
    return re.sub(r"[^a-z0-9.@_-]", "_", name.lower()).lstrip(".")[:80] or LOCAL_USER


@st.cache_resource(ttl=KNOWN_S, show_spinner=False)
def _seen() -> list[Seen]:
    """What is installed and works; looked at anew after a while."""
    return look_at(plugins())


def domains() -> dict[str, DomainManifest]:
    """Manifests of the working domains that are shown, by name."""
    return {
        domain.name: domain
        for seen in _seen()
        if (manifest := seen.plugin.manifest) is not None and not seen.broken
        if shows_hidden() or not manifest.hidden
        for domain in manifest.domains
    }


def is_dark() -> bool:
    """Whether the browser shows the dark theme; no where no browser asks."""
    return runtime.exists() and st.context.theme.type == "dark"
