"""Public transport from a GTFS feed, by SUMO's gtfs2pt; needs the extra ``gtfs``."""

from __future__ import annotations

import csv
import importlib.util
import re
import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

from trimtab.contracts.bounded import bounded_lines
from trimtab.contracts.damage import DAMAGED_ZIP
from trimtab.contracts.errors import InputFileError, MissingDependencyError

from trimtab_traffic.importers.calibrate import DemandFiles
from trimtab_traffic.safexml import elements
from trimtab_traffic.toolchain import run_script

_DAY = re.compile(r"\d{8}")
MAX_FILES = 200
MAX_BYTES = 1024 * 1024 * 1024
MAX_RATIO = 100
MAX_CALENDAR_BYTES = 16 * 1024 * 1024
"""A calendar is read as a whole; those of whole countries have some 5 MB."""
_RATIO_FLOOR = 8 * 1024 * 1024
CALENDARS = {
    "calendar.txt": "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,"
    "start_date,end_date\n",
    "calendar_dates.txt": "service_id,date,exception_type\n",
}
"""GTFS wants one of these, gtfs2pt both."""
NEEDED = ("stops.txt", "routes.txt", "trips.txt", "stop_times.txt")


def transit_from_gtfs(
    net_file: Path,
    feed: Path,
    work: Path,
    date: str | None = None,
    begin_s: float = 0.0,
    end_s: float = 86400.0,
) -> DemandFiles:
    """Stops and vehicles of one day of a feed.

    Args:
        net_file: a network that knows where on earth it lies (made from OpenStreetMap).
        feed: zip archive.
        work: folder for the files made.
        date: day of service, ``YYYYMMDD``; the first one of the feed's calendar if None.
        begin_s: first departure, s.
        end_s: last departure, s.

    Raises:
        MissingDependencyError: rtree or pyproj is not installed.
        InputFileError: the archive is unsafe or no feed, the network has no projection, the date
            is wrong, or gtfs2pt refuses it.
    """
    if date is not None and not _DAY.fullmatch(date):
        msg = f"{feed}: date {date!r}; write the day of service as YYYYMMDD"
        raise InputFileError(msg)
    check_archive(feed)
    check_projection(net_file)
    date = date or first_day(feed)
    for package in ("rtree", "pyproj"):
        if importlib.util.find_spec(package) is None:
            raise MissingDependencyError(package=package, extra="gtfs", purpose="reading GTFS")
    work.mkdir(parents=True, exist_ok=True)
    net_file, feed, work = net_file.resolve(), feed.resolve(), work.resolve()
    stops, vehicles, types = (work / f"transit.{k}.xml" for k in ("stops", "rou", "types"))
    whole = _with_calendars(feed, work)
    arguments = ["-n", str(net_file), "--gtfs", str(whole), "--date", date, "--modes", "bus,tram"]
    arguments += ["--route-output", str(vehicles), "--additional-output", str(stops)]
    arguments += ["--vtype-output", str(types), "--map-output", str(work / "map")]
    arguments += ["--fcd", str(work / "fcd"), "--warning-output", str(work / "missing.xml")]
    arguments += ["--begin", f"{begin_s:g}", "--end", f"{end_s:g}", "--sort", "--skip-access"]
    run_script("import/gtfs/gtfs2pt.py", arguments, source=feed, work=work)
    note = f"{feed.name}: public transport of {date} by gtfs2pt"
    return DemandFiles((vehicles,), begin_s, end_s, (types, stops), (note,))


def check_archive(path: Path) -> None:
    """Refuse an archive that unpacks to too much, leaves its folder, or is no feed.

    Raises:
        InputFileError: it does.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except DAMAGED_ZIP as error:
        msg = f"{path}: no readable zip archive ({error}); download the feed again"
        raise InputFileError(msg) from None
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    bomb = unpacked > max(_RATIO_FLOOR, MAX_RATIO * packed)
    if bomb or unpacked > MAX_BYTES or len(members) > MAX_FILES:
        msg = f"{path}: {len(members)} files of {unpacked >> 20} MB unpacked; a zip bomb?"
        raise InputFileError(msg)
    for member in members:
        name = PurePosixPath(member.filename.replace("\\", "/"))
        link = stat.S_ISLNK(member.external_attr >> 16)
        if link or name.is_absolute() or ".." in name.parts:
            msg = f"{path}: member {member.filename!r} is a link or leaves the folder; refused"
            raise InputFileError(msg)
    missing = sorted(set(NEEDED) - {member.filename for member in members})
    if missing:
        msg = f"{path}: no GTFS feed, it lacks {', '.join(missing)}; check the file"
        raise InputFileError(msg)


def _with_calendars(feed: Path, work: Path) -> Path:
    """The feed, or a copy of it with an empty calendar where it has only the other one."""
    with zipfile.ZipFile(feed) as archive:
        missing = CALENDARS.keys() - set(archive.namelist())
    if not missing:
        return feed
    copy = Path(shutil.copy2(feed, work / "feed.zip"))
    with zipfile.ZipFile(copy, "a") as archive:
        for name in sorted(missing):
            archive.writestr(name, CALENDARS[name])
    return copy


def first_day(feed: Path) -> str:
    """First day of service, ``YYYYMMDD``.

    Raises:
        InputFileError: the feed has no calendar.
    """
    days: list[str] = []
    try:
        with zipfile.ZipFile(feed) as archive:
            for name, column in (("calendar.txt", "start_date"), ("calendar_dates.txt", "date")):
                if name in archive.namelist():
                    rows = csv.DictReader(_calendar(archive, name, feed))
                    days += [row.get(column) or "" for row in rows]
    except InputFileError:
        raise
    except DAMAGED_ZIP as error:
        msg = f"{feed}: its calendar cannot be read ({error}); download the feed again"
        raise InputFileError(msg) from None
    found = sorted(day for day in days if _DAY.fullmatch(day))
    if not found:
        msg = f"{feed}: its calendar names no day; check calendar.txt and calendar_dates.txt"
        raise InputFileError(msg)
    return found[0]


def _calendar(archive: zipfile.ZipFile, name: str, feed: Path) -> list[str]:
    with archive.open(name) as stream:
        content = stream.read(MAX_CALENDAR_BYTES + 1)
    if len(content) > MAX_CALENDAR_BYTES:
        msg = f"{feed}: {name} is larger than {MAX_CALENDAR_BYTES >> 20} MB: this is no calendar"
        raise InputFileError(msg)
    return bounded_lines(content.decode("utf-8-sig", "replace"), f"{feed}: {name}")


def check_projection(net_file: Path) -> None:
    """Refuse a network that does not know where it lies.

    Raises:
        InputFileError: it has no geographic projection.
    """
    for element in elements(net_file):
        if element.name == "location":
            if element.attributes.get("projParameter", "!") not in {"!", "-", "."}:
                return
            break
    msg = f"{net_file}: has no geographic projection; make it from OpenStreetMap data"
    raise InputFileError(msg)
