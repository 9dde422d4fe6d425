import io
import stat
import zipfile
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_app import uploads
from trimtab_app.uploads import Shelf, Upload, safe_name, unpacked


def zipped(*members: tuple[str, bytes], mode: int = 0) -> Upload:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return Upload("in.zip", out.getvalue())


def test_a_zip_gives_its_members() -> None:
    found = unpacked(zipped(("a/net.xml", b"<net/>"), ("rou.xml", b"<routes/>")))
    assert [(u.name, u.content) for u in found] == [
        ("a/net.xml", b"<net/>"),
        ("rou.xml", b"<routes/>"),
    ]


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../b", "..\\evil", "C:/x"])
def test_a_member_that_leads_out_is_refused(name: str) -> None:
    with pytest.raises(InputFileError, match="leads out"):
        unpacked(zipped((name, b"x")))


def test_a_link_in_a_zip_is_refused() -> None:
    with pytest.raises(InputFileError, match="is a link"):
        unpacked(zipped(("a", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777))


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    with pytest.raises(InputFileError, match="more than is allowed"):
        unpacked(zipped(("zeros", bytes(30_000_000))))


def test_too_many_members_are_refused() -> None:
    members = [(f"f{i}", b"") for i in range(uploads.MAX_MEMBERS + 1)]
    with pytest.raises(InputFileError, match="members"):
        unpacked(zipped(*members))


def test_what_is_no_zip_is_refused_in_a_line() -> None:
    with pytest.raises(InputFileError, match="cannot be unpacked"):
        unpacked(Upload("x.zip", b"PK\x03\x04 nonsense"))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("a b;rm -rf.xml", "a_b_rm_-rf.xml"),
        (".bashrc", "bashrc"),
        ("", "file"),
        ("my.net.xml.gz", "my.net.xml.gz"),
    ],
)
def test_names_lose_what_a_path_or_shell_could_take_amiss(given: str, kept: str) -> None:
    assert safe_name(given) == kept


def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    shelf = Shelf.of(tmp_path, "local")
    shelf.place(Upload("a.xml", b"same"), tmp_path / "one")
    shelf.place(Upload("b.xml", b"same"), tmp_path / "two")
    assert shelf.used_bytes() == 4
    assert (tmp_path / "two" / "b.xml").read_bytes() == b"same"


def test_the_quota_holds(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, quota_bytes=10)
    shelf.keep(b"12345678")
    with pytest.raises(InputFileError, match="used up"):
        shelf.keep(b"abc")


def test_a_file_never_lands_outside_its_folder(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="leads out"):
        Shelf(tmp_path / "up").place(Upload("../x", b"x"), tmp_path / "home")


def test_what_no_scenario_has_any_more_is_swept(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "up")
    kept = shelf.place(Upload("a", b"kept"), tmp_path / "home")
    gone = shelf.place(Upload("b", b"gone"), tmp_path / "home")
    gone.unlink()
    shelf.sweep()
    assert kept.read_bytes() == b"kept"
    assert shelf.used_bytes() == 4
