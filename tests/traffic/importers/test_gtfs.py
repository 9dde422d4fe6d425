import zipfile
from pathlib import Path

import pytest
from trimtab.contracts.errors import InputFileError
from trimtab_traffic.importers.gtfs import NEEDED, check_archive, first_day, transit_from_gtfs


def feed(folder: Path, *names: str, content: bytes = b"x") -> Path:
    path = folder / "feed.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def test_feed_with_its_tables_is_accepted(tmp_path: Path) -> None:
    check_archive(feed(tmp_path, *NEEDED))


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil.txt", "a\\..\\evil.txt"])
def test_member_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputFileError, match="leaves the folder"):
        check_archive(feed(tmp_path, *NEEDED, name))


def test_link_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "feed.zip"
    link = zipfile.ZipInfo("stops.txt")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(InputFileError, match="is a link"):
        check_archive(path)


def test_zip_bomb_is_refused_unopened(tmp_path: Path) -> None:
    path = feed(tmp_path, *NEEDED, content=bytes(20_000_000))
    with pytest.raises(InputFileError, match="zip bomb"):
        check_archive(path)


@pytest.mark.parametrize(
    ("names", "message"),
    [(NEEDED[:3], r"lacks stop_times\.txt"), ([f"{k}.txt" for k in range(201)], "201 files")],
)
def test_archive_that_is_no_feed_is_refused(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(InputFileError, match=message):
        check_archive(feed(tmp_path, *names))


def test_a_calendar_without_end_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "feed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("calendar.txt", bytes((16 << 20) + 1))
    with pytest.raises(InputFileError, match=r"calendar\.txt is larger than 16 MB"):
        first_day(path)


def test_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "feed.zip"
    path.write_text("<html>404</html>")
    with pytest.raises(InputFileError, match="no readable zip archive"):
        check_archive(path)


def test_network_without_projection_is_refused(grid_net: Path, tmp_path: Path) -> None:
    path = feed(tmp_path, *NEEDED)
    with pytest.raises(InputFileError, match="no geographic projection"):
        transit_from_gtfs(grid_net, path, tmp_path / "work", "20260131")


def test_first_day_of_service_is_read_from_the_calendar(tmp_path: Path) -> None:
    path = tmp_path / "feed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("calendar.txt", "service_id,start_date\na,20260202\nb,20260105\n")
        archive.writestr("calendar_dates.txt", "service_id,date\na,soon\n")
    assert first_day(path) == "20260105"
    with pytest.raises(InputFileError, match="names no day"):
        first_day(feed(tmp_path, *NEEDED))


def test_date_in_another_form_is_refused(grid_net: Path, tmp_path: Path) -> None:
    path = feed(tmp_path, *NEEDED)
    with pytest.raises(InputFileError, match="YYYYMMDD"):
        transit_from_gtfs(grid_net, path, tmp_path / "work", "31.1.2026")
