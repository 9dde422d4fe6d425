import gzip

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_app import references
from trimtab_app.references import check_references


def config(path: str) -> bytes:
    return f'<configuration>\n <net-file value="{path}"/>\n</configuration>'.encode()


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../net.xml", "a/../../b.xml", "~/x", "C:\\x", "file:///x", "ok.xml,../b.xml"],
)
def test_a_path_that_leads_out_is_refused_with_its_line(path: str) -> None:
    with pytest.raises(InputFileError, match=r"my\.sumocfg:2: names"):
        check_references("my.sumocfg", config(path))


@pytest.mark.parametrize("path", ["net.xml", "a/net.xml", "a/../net.xml", "net..xml", "1/2"])
def test_a_path_that_stays_inside_is_fine(path: str) -> None:
    check_references("my.sumocfg", config(path))


def test_a_file_in_a_folder_may_name_its_neighbours() -> None:
    check_references("config/my.sumocfg", config("../net/my.net.xml"))


def test_packed_text_is_looked_into() -> None:
    with pytest.raises(InputFileError, match="names /etc/shadow"):
        check_references("my.add.xml.gz", gzip.compress(config("/etc/shadow")))


def test_a_packed_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "MAX_TEXT_BYTES", 1_000_000)
    with pytest.raises(InputFileError, match="unpacks to more"):
        check_references("a.gz", gzip.compress(bytes(2_000_000)))


def test_a_path_across_two_blocks_is_found() -> None:
    padding = b" " * (references._BLOCK - 20)
    with pytest.raises(InputFileError, match="names /etc/passwd"):
        check_references("a.xml", padding + config("/etc/passwd"))
