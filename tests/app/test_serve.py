from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError, TrimtabError
from trimtab_app import theme
from trimtab_app.serve import Door, check, is_loopback, serve


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.9.9.9"])
def test_loopback_addresses_are_served_without_questions(host: str, tmp_path: Path) -> None:
    assert is_loopback(host)
    check(Door(tmp_path, host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.4", "::", "example.org"])  # noqa: S104
def test_other_addresses_are_refused_without_sign_in(host: str, tmp_path: Path) -> None:
    with pytest.raises(TrimtabError, match="--i-know-this-is-open"):
        check(Door(tmp_path, host=host))
    check(Door(tmp_path, host=host, open_to_all=True))


def test_a_sign_in_file_needs_its_section(tmp_path: Path) -> None:
    file = tmp_path / "auth.toml"
    file.write_text("[other]\n", encoding="utf-8")
    with pytest.raises(InputFileError, match=r"no \[auth\] section"):
        serve(Door(tmp_path, host="192.0.2.1", auth=file))


def test_the_settings_are_those_of_a_careful_server() -> None:
    settings = theme.server_settings(host="127.0.0.1", port=0, shared=False)
    assert settings["browser.gatherUsageStats"] is False
    assert settings["server.fileWatcherType"] == "none"
    assert settings["server.maxUploadSize"] == 50
    assert settings["client.showErrorDetails"] == "type"
    assert theme.server_settings(host="h", port=0, shared=True)["client.showErrorDetails"] == "none"
