import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import InputFileError
from trimtab_traffic import safexml
from trimtab_traffic.safexml import elements, parse_seconds, read_tree

HOSTILE = {
    "dtd": (b'<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>', "document type"),
    "external": (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
    "laughs": (
        b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "lol"><!ENTITY b "&a;&a;">]><l>&b;</l>',
        "document type",
    ),
    "entity without dtd": (b"<a>&b;</a>", "not well-formed"),
    "deep": (b"<a>" * 100_000, "nested deeper"),
    "long attribute": (b"<a b='" + b"x" * 6_000_000 + b"'/>", "longer than 4 MB"),
    "long comment": (b"<a><!--" + b"x" * 6_000_000 + b"--></a>", "longer than 4 MB"),
    "wide": (b"<a><b>" + b"<c/>" * 300_001 + b"</b></a>", "more than 300000 elements"),
    "swarm": (b"<a>" + b"<c/>" * 400_000 + b"</a>", "nearly empty elements"),
    "nul": (b"<a>\n\0</a>", ":2:1: not well-formed"),
    "empty": (b"", "not well-formed"),
    "truncated": (b"<a>\n<b>", "not well-formed"),
    "duplicate attribute": (b"<a b='1' b='2'/>", "duplicate attribute"),
    "unknown encoding": (b"<?xml version='1.0' encoding='klingon'?><a/>", "unknown encoding"),
    "no xml": (b"%PDF-1.7", "not well-formed"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("zipped", [False, True])
def test_hostile_file_is_refused_in_one_line_that_names_it(
    tmp_path: Path, name: str, zipped: bool
) -> None:
    content, reason = HOSTILE[name]
    path = tmp_path / "hostile.xml"
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(InputFileError, match=reason) as error:
        list(elements(path))
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xml.gz"
    with gzip.open(path, "wb", compresslevel=9) as stream:
        stream.write(b"<a>")
        for _ in range(30):
            stream.write(b" " * 1_000_000)
    with pytest.raises(InputFileError, match="zip bomb"):
        list(elements(path))


def test_truncated_gzip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.xml.gz"
    path.write_bytes(gzip.compress(b"<a/>")[:12])
    with pytest.raises(InputFileError, match="decompressed"):
        list(elements(path))


def test_large_file_is_refused_by_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safexml, "MAX_BYTES", 1000)
    path = tmp_path / "large.xml"
    path.write_bytes(b" " * 1001)
    with pytest.raises(InputFileError, match="cut it"):
        list(elements(path))


@pytest.mark.parametrize("name", ["missing.xml", ".", "nul\0byte.xml"])
def test_path_that_is_no_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputFileError, match=r"no such file|cannot be read"):
        list(elements(tmp_path / name))


def test_elements_carry_line_attributes_and_children(tmp_path: Path) -> None:
    path = tmp_path / "ok.xml"
    path.write_text('<net version="1.20">\n\n<edge id="Straße ü">\n<lane id="x_0"/></edge></net>')
    root, edge = elements(path)
    assert (root.name, root.attributes, root.children) == ("net", {"version": "1.20"}, [])
    assert (edge.text("id"), edge.line, edge.children[0].line) == ("Straße ü", 3, 4)


def test_byte_order_mark_crlf_and_utf16_are_read(tmp_path: Path) -> None:
    text = '<?xml version="1.0" encoding="{}"?>\r\n<a>\r\n<b id="ü"/></a>'
    for encoding in ("utf-8-sig", "utf-16"):
        path = tmp_path / f"{encoding}.xml"
        path.write_bytes(text.format(encoding.removesuffix("-sig")).encode(encoding))
        assert read_tree(path, "a").children[0].attributes == {"id": "ü"}


def test_wrong_root_is_named_with_the_expected_one(tmp_path: Path) -> None:
    path = tmp_path / "routes.rou.xml"
    path.write_text("<net/>")
    with pytest.raises(InputFileError, match="is <net>, expected <routes> or <additional>"):
        read_tree(path, "routes", "additional")


@pytest.mark.parametrize("value", ["", "abc", "nan", "inf", "1e999"])
def test_number_that_is_none_is_refused_with_its_line(tmp_path: Path, value: str) -> None:
    path = tmp_path / "a.xml"
    path.write_text(f'<a>\n<phase duration="{value}"/></a>')
    with pytest.raises(InputFileError, match=r"a\.xml:2: <phase>: duration is"):
        read_tree(path).children[0].number("duration")


def test_missing_attribute_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text("<a><phase/></a>")
    with pytest.raises(InputFileError, match="<phase> has no attribute 'state'"):
        read_tree(path).children[0].text("state")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("07:00:00", 25200.0), ("1:0:0:1.5", 86401.5), ("1:2", None), ("x", None)],
)
def test_times_are_read_as_sumo_reads_them(text: str, seconds: float | None) -> None:
    assert parse_seconds(text) == seconds


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_read_or_refused_but_never_crash(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "any.xml"
    path.write_bytes(content)
    try:
        read = list(elements(path))
    except InputFileError:
        return
    assert read
