import gc
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError, TrimtabError
from trimtab_app import theme
from trimtab_app.serve import Door, check, import_pages, is_loopback, serve


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


SIGN_IN = {
    "redirect_uri": "https://trimtab.example.org/oauth2callback",
    "cookie_secret": "of your own",
    "client_id": "trimtab",
    "client_secret": "of the provider",
    "server_metadata_url": "https://id.example.org/.well-known/openid-configuration",
}


def sign_in_file(folder: Path, **changed: str) -> Path:
    settings = {**SIGN_IN, **changed}
    lines = [f'{key} = "{value}"' for key, value in settings.items() if value]
    file = folder / "auth.toml"
    file.write_text("\n".join(["[auth]", *lines]), encoding="utf-8")
    return file


@pytest.mark.parametrize("key", SIGN_IN)
def test_a_sign_in_file_that_lacks_a_key_is_refused_by_its_name(key: str, tmp_path: Path) -> None:
    file = sign_in_file(tmp_path, **{key: ""})
    with pytest.raises(InputFileError, match=rf"auth\.toml: \[auth\] lacks {key}"):
        serve(Door(tmp_path, host="192.0.2.1", auth=file))


def test_a_sign_in_that_answers_elsewhere_is_refused(tmp_path: Path) -> None:
    file = sign_in_file(tmp_path, redirect_uri="https://trimtab.example.org/")
    with pytest.raises(InputFileError, match="must end in /oauth2callback"):
        serve(Door(tmp_path, host="192.0.2.1", auth=file))


def test_what_sign_in_would_miss_later_is_said_before_the_server_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab_app.serve.SIGN_IN_NEEDS", ("json", "no_such_library"))
    with pytest.raises(TrimtabError, match=r"needs no_such_library.*trimtab\[sign-in\]"):
        serve(Door(tmp_path, host="192.0.2.1", auth=sign_in_file(tmp_path)))


def test_a_sign_in_file_that_is_no_toml_is_refused_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "auth.toml"
    file.write_text("[auth\n", encoding="utf-8")
    with pytest.raises(InputFileError, match="cannot be read as TOML"):
        serve(Door(tmp_path, host="192.0.2.1", auth=file))


def test_the_settings_are_those_of_a_careful_server() -> None:
    settings = theme.server_settings(host="127.0.0.1", port=0, shared=False)
    assert settings["browser.gatherUsageStats"] is False
    assert settings["server.fileWatcherType"] == "none"
    assert settings["server.maxUploadSize"] == 50
    assert settings["client.showErrorDetails"] == "type"
    assert theme.server_settings(host="h", port=0, shared=True)["client.showErrorDetails"] == "none"


def test_what_was_imported_is_not_walked_through_after_every_page_view() -> None:
    import_pages()
    try:
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()


def test_the_page_icon_is_asked_of_nobody() -> None:
    assert theme.PAGE_ICON.startswith("data:image/png;base64,")
