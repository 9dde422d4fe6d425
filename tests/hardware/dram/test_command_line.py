"""Wrong files on the command line: one line with file and line or key, exit code 2."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from trimtab.cli.app import app
from trimtab_hardware.dram import load_part

TRACE = "0: read 0x40\n9: write 0x80\n"
MAP = json.loads(load_part("ddr4-2400-4gb-x8").map.to_json())["addressmapping"]


def mapped(**change: Any) -> str:
    return json.dumps({"addressmapping": {**MAP, **change}})


def controlled(**change: Any) -> str:
    return json.dumps({"mcconfig": change})


WRONG = {
    "a line without command": ("b.stl", TRACE + "12: 0x40\n", "b.stl:3: missing column"),
    "an address without 0x": ("b.stl", "0: read 40\n", "b.stl:1: address '40'"),
    "an unknown command": ("b.trc", "0x40 READ 1\n0x40 COPY 2\n", "b.trc:2: unknown command"),
    "time that decreases": ("b.stl", TRACE + "3: read 0x40\n", "b.stl:3: time 3 is earlier"),
    "nothing": ("b.stl", "", "b.stl: empty"),
    "no trace": ("b.stl", "hello\n", "b.stl:1: 'hello' is of no known trace format"),
    "control characters": ("b.stl", "\x01\x02\n", "b.stl:1: '\\x01\\x02' is of no known"),
    "a part that is no JSON": ("p.json", "{", "p.json:1:2: not JSON"),
    "a part without tables": (
        "p.json", '{"memspec": {"memoryType": "DDR4"}}', "p.json: section memarchitecturespec",
    ),
    "a bit used twice": ("m.json", mapped(BANK_BIT=[15, 17]), "m.json: address bit 16 is missing"),
    "half a bit": (
        "m.json", mapped(XOR=[{"FIRST": 15.5, "SECOND": 20}]), "m.json: XOR entry {'FIRST': 15.5",
    ),
    "a misspelt key": ("c.json", controlled(PagePolcy="Open"), "c.json: unknown key 'PagePolcy'"),
    "a misspelt value": ("c.json", controlled(Scheduler="FrFcf"), "c.json: unknown scheduler"),
    "a number as text": ("c.json", controlled(RequestBufferSize="8"), "request_buffer_size = '8'"),
    "a refresh that the part lacks": (
        "c.json", controlled(RefreshPolicy="PerBank"), "c.json: part ddr3-1600-1gb-x8 has no",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_one_line_with_its_place_and_exit_code_2(
    case: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    name, content, said = WRONG[case]
    monkeypatch.chdir(tmp_path)
    Path("good.stl").write_text(TRACE)
    Path(name).write_text(content)
    arguments = ["init", "mine.yaml", "--domain", "hardware.dram"]
    files = [word for file in ("good.stl", name) for word in ("--from", file)]
    monkeypatch.setattr(sys, "argv", ["trimtab", *arguments, *files])
    with pytest.raises(SystemExit) as ended:
        app(prog_name="trimtab")
    captured = capfd.readouterr()
    assert (ended.value.code, captured.out) == (2, "")
    (line,) = captured.err.splitlines()
    assert said in line
    assert not Path("mine.yaml").exists()
