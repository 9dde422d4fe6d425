"""Readers of core and of the app: scenarios, parameters, designs, weights, uploads."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from pathlib import Path

from fuzzing.reader import SEPARATOR, Reader, Target

SWEEP = b"""schema: trimtab/scenario/1
name: tank-sweep
domain: toy.tank
problem: {tariff_peak: 3.0}
controllers: [level_band]
seeds: [1, 2]
sweep: {mode: grid, over: {problem.tariff_peak: [2.0, 3.0], seeds: [[1], [2]]}}
"""
DEEP = b"[" * 5000
PARAMETERS = (
    b'{"schema": "trimtab/parameters/1", "controller": "level_band", '
    b'"parameters": {"low": 0.2}, "manifest": {}}'
)
DECISIONS = b"seed,step,agent,discrete_0\n-1,0,0,1\n-1,0,1,1\n-1,5,0,0\n"


def shipped(area: str) -> tuple[bytes, ...]:
    """Scenario files that a domain area ships."""
    from trimtab.contracts.registry import shipped_scenarios

    found = sorted(shipped_scenarios().items())
    return tuple(path.read_bytes() for name, path in found if name.startswith(f"{area}/"))


def scenarios(area: str) -> Reader:
    """Scenario files of one area, whose data files must lie beside them."""
    from trimtab.run.scenario_file import load_scenario

    def read(path: Path) -> None:
        load_scenario(path, inside=path.parent)

    return Reader("scenario", ("a.yaml",), read, shipped(area))


def _scenario_readers() -> tuple[Reader, ...]:
    from trimtab.run.scenario_file import load_scenario, migrate_file
    from trimtab.run.sweep import plan_sweep

    def overridden(path: Path, override: Path) -> None:
        load_scenario(path, [override.read_text(encoding="utf-8", errors="replace")])

    def sweep(path: Path) -> None:
        with path.open("rb") as file:
            few = file.read(1_000_000).count(b"[") < 20
        if few:  # thousands of points are planned one by one
            plan_sweep(path)

    toys = shipped("toy")
    return (
        scenarios("toy"),
        Reader("migrate", ("a.yaml",), migrate_file, (b"schema: trimtab/scenario/0\n", *toys)),
        Reader("sweep", ("a.yaml",), sweep, (SWEEP,)),
        Reader(
            "override",
            ("a.yaml", "b.txt"),
            overridden,
            (SWEEP + SEPARATOR + b"problem.tariff_peak=2.5", SWEEP + SEPARATOR + b"seeds.0=[1"),
        ),
    )


def _weights() -> bytes:
    import numpy as np
    from trimtab.deploy.weights import save_arrays

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        save_arrays(path, {"params/w": np.zeros(3, np.float32)}, {"kind": "policy", "net": {}})
        return path.read_bytes() + SEPARATOR + path.with_suffix(".json").read_bytes()


def _result_readers() -> tuple[Reader, ...]:
    from trimtab.contracts.registry import load_domain
    from trimtab.deploy.weights import load_policy
    from trimtab.run.design_file import read_design
    from trimtab.run.parameter_file import read_parameters
    from trimtab.run.replay import read_decisions

    tank = load_domain("toy.tank")
    with tank.build(tank.problem_model()) as problem:
        spec = problem.spec

    def policy(weights: Path, _: Path) -> None:
        load_policy(weights)

    return (
        Reader("parameters", ("p.json",), read_parameters, (PARAMETERS, DEEP)),
        Reader(
            "design",
            ("d.json",),
            read_design,
            (
                b'{"schema": "trimtab/design/1", "design": {"depth_mm": 300}}',
                b"depth_mm: 3\nb: x",
                DEEP,
            ),
        ),
        Reader("decisions", ("d.csv",), lambda path: read_decisions(path, spec), (DECISIONS,)),
        Reader(
            "weights",
            ("w.safetensors", "w.json"),
            policy,
            (_weights(), _weights().partition(SEPARATOR)[0] + SEPARATOR + DEEP),
        ),
    )


def packed(**members: bytes) -> bytes:
    """A zip archive; a double underscore in a name stands for a dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return out.getvalue()


def _upload_readers() -> tuple[Reader, ...]:
    from trimtab_app.uploads import Shelf, Upload, unpacked
    from trimtab_app.yaml_edit import REMOVED, edited

    def upload(path: Path) -> None:
        for one in unpacked(Upload(path.name, path.read_bytes())):
            target = (path.parent / one.name).resolve()
            assert target.is_relative_to(path.parent.resolve()), f"{one.name} leaves the folder"

    def place(path: Path) -> None:
        content = path.read_bytes()
        name = content[:40].decode("utf-8", "replace")
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            shelf = Shelf.of(Path(folder) / "work", "me")
            placed = shelf.place(Upload(name, content), Path(folder) / "draft")
            assert placed.is_relative_to(Path(folder)), f"{placed} is outside"

    def edit(path: Path) -> None:
        text = path.read_bytes().decode("utf-8", "replace")
        for keys, value in (
            (("problem", "tariff_peak"), 2.0),
            (("seeds", 0), 4),
            (("seeds",), REMOVED),
        ):
            json.dumps(edited(text, keys, value))

    zips = (packed(a__net__xml=b"<net/>", b__csv=b"a,b\n"), packed(x=b""))
    return (
        Reader("zip", ("u.zip",), upload, zips),
        Reader("place", ("u.bin",), place, (b"town.net.xml", b"../x", b"/etc/passwd")),
        Reader("edit", ("a.yaml",), edit, shipped("toy")),
    )


TARGETS = (
    Target("scenario", ("trimtab",), _scenario_readers),
    Target("results", ("trimtab",), _result_readers),
    Target("uploads", ("trimtab", "trimtab_app"), _upload_readers),
)
