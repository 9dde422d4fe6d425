"""Settings of the server and colours of the app, one accent, the same as in the HTML report."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ICON = FOLDER / "static" / "icon.png"
LOGO = FOLDER / "static" / "logo.svg"
STYLE = FOLDER / "static" / "style.css"
MAX_UPLOAD_MB = 50
PAGE_ICON = f"data:image/png;base64,{b64encode(ICON.read_bytes()).decode()}"
"""Within the page: as a file it would be fetched again after every click."""

FONT = 'system-ui, "Segoe UI", "DejaVu Sans", sans-serif'
LIGHT = {
    "primaryColor": "#0b6e69",
    "backgroundColor": "#fbfcfd",
    "secondaryBackgroundColor": "#eef2f5",
    "textColor": "#1b2430",
    "linkColor": "#0b6e69",
    "borderColor": "#d3dae1",
    "grayTextColor": "#56616d",
    "codeBackgroundColor": "#f2f5f8",
    "chartCategoricalColors": ["#0b6e69", "#b4530a", "#3b5bb5", "#8a3ffc", "#9f1853", "#6a6f1d"],
}
DARK = {
    "primaryColor": "#12807a",
    "backgroundColor": "#12171d",
    "secondaryBackgroundColor": "#1c242d",
    "textColor": "#e6ebf0",
    "linkColor": "#4fcabf",
    "borderColor": "#33404c",
    "grayTextColor": "#a3aebb",
    "codeBackgroundColor": "#181f27",
    "chartCategoricalColors": ["#3fbfb5", "#f0924a", "#8ea6f5", "#bd94ff", "#f27aa9", "#c6cc5c"],
}
MAP_LIGHT = ("#b4bfca", "#e9c46a", "#e8964a", "#cf5331", "#8f1d36")
MAP_DARK = ("#465361", "#8f7440", "#c98a3f", "#f2a65a", "#ffdcae")


def server_settings(*, host: str, port: int, shared: bool) -> dict[str, Any]:
    """Streamlit's options by dotted name.

    Args:
        host: address to bind.
        port: 0 lets the system choose.
        shared: others than the person at this machine may connect.
    """
    settings: dict[str, Any] = {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.maxUploadSize": MAX_UPLOAD_MB,
        "server.fileWatcherType": "none",
        "server.allowedHosts": ["*"] if shared else ["localhost", "127.0.0.1", "[::1]"],
        "client.showErrorDetails": "none" if shared else "type",
        "client.showErrorLinks": False,
        "client.toolbarMode": "viewer",
        "browser.gatherUsageStats": False,
        "theme.font": FONT,
        "theme.headingFont": FONT,
        "theme.baseFontSize": 15,
        "theme.baseRadius": "4px",
        "theme.headingFontSizes": ["1.9rem", "1.3rem", "1.1rem", "1rem", "1rem", "1rem"],
        "theme.headingFontWeights": [700, 650, 650, 600, 600, 600],
        "theme.metricValueFontSize": "1.45rem",
    }
    for mode, colours in (("light", LIGHT), ("dark", DARK)):
        settings |= {f"theme.{mode}.{name}": colour for name, colour in colours.items()}
    return settings
