"""Small defects are put into the toy domains; the conformance kit must see nearly all of them."""

import importlib
import sys
from pathlib import Path

import pytest
from trimtab.contracts.registry import manifests
from trimtab.testing import toys
from trimtab.testing.checks import run_check
from trimtab.testing.conformance import CHECKS, subject_of

TOYS = Path(toys.__file__).parent
# (text of the toy, what it becomes)
TANK = (
    ('name = "toy.tank"', 'name = "toy.other"'),
    ('title = "Two storm-water tanks with a tariff"', 'title = ""'),
    ('Metric("pumping_cost", "1"', 'Metric("pumping_cost", ""'),
    ('Metric("pumping_cost", "1"', 'Metric("pumping cost", "1"'),
    ("metrics = (headline,)", "metrics = ()"),
    ("metrics = (headline,)", "metrics = (headline, headline)"),
    ('concepts = ("level", "price", "hour")', 'concepts = ("level", "level")'),
    (', description="length of an episode, h")', ")"),
    ("Field(3.0, ge=1.0, le=10.0, ", "Field(3.0, "),
    ("class TankModel(StrictModel):", 'class TankModel(StrictModel, extra="ignore"):'),
    ("class TankModel(StrictModel):", "class TankModel(StrictModel, frozen=False):"),
    ("class TankModel(StrictModel):", "class TankModel(StrictModel, allow_inf_nan=True):"),
    ('name="toy.tank-1"', 'name="toy.tank"'),
    ('RewardChannel("pumping_cost", "1"', 'RewardChannel("pumping_cost", ""'),
    ('"wetness", "1", 0.1, 1.0, 0.6', '"wetness", "1", 0.1, 1.0, 6.0'),
    ("supports_snapshot=True", "supports_snapshot=False"),
    ("self._seed[which] = seed", "self._seed[which] = 0"),
    ("self._seed[which] = seed", "self._seed[which] = seed + which"),
    ("self._seed[which] = seed", "self._seed[:] = np.resize(seed, self.copies)"),
    ("self._episode[which] = 0", "self._episode[which] += 1"),
    ("self._episode[final_rows] += 1", "self._episode[final_rows] += 0"),
    ("        self._start(which)\n", "        self._start(np.arange(self.copies))\n"),
    ("self._wetness[which] = context[:, 0]", "self._wetness[which] = context[:, 0] * (which + 1)"),
    ("self._wetness[which] = context[:, 0]", "self._wetness[which] += context[:, 0]"),
    ("        self._hour[rows] = 0\n", "        self._hour[rows] = (rows > 0) * 1\n"),
    ("        self._cost[rows] = 0.0\n", ""),
    ("        self._live[rows] = True\n", ""),
    ("self._level[rows] = CAPACITY_M3 / 2", "self._level[rows] += CAPACITY_M3 / 2"),
    ("self._level[rows] = CAPACITY_M3 / 2", "self._level[rows] = np.random.rand()"),
    ("spent[:, :, None].astype(np.float32)", "spent[:, :, None]"),
    ("spent[:, :, None].astype(np.float32)", "spent.astype(np.float32)"),
    ("spent[:, :, None].astype(np.float32)", "spent[:, :, None].astype(np.float32) * np.nan"),
    ("(outside[:, 0] + outside[:, 1])[:, None]", "(outside[:, 0] + outside[:, 1])"),
    ("(outside[:, 0] + outside[:, 1])[:, None]", "(-1 - outside[:, 0])[:, None]"),
    ("terminated=np.zeros(self.copies, bool)", "terminated=np.zeros(self.copies)"),
    ("terminated=np.zeros(self.copies, bool)", "terminated=ended"),
    ("truncated=ended", "truncated=np.zeros(self.copies, bool)"),
    ("np.full(self.copies, self.spec.dt_s)", "np.zeros(self.copies)"),
    ("np.full(self.copies, self.spec.dt_s)", "np.full(self.copies, 3600)"),
    ("pump[:, :, None].astype(np.int64)", "pump[:, :, None]"),
    ("pump[:, :, None].astype(np.int64)", "1 - pump[:, :, None].astype(np.int64)"),
    ("reason=np.zeros((self.copies, TANKS), np.int16)", "reason=np.zeros(self.copies, np.int16)"),
    ("np.zeros((self.copies, TANKS), bool),", "np.ones((self.copies, TANKS)),"),
    ("np.where(ended, self._cost, np.nan)", "self._cost"),
    ("np.where(ended, self._cost, np.nan)", "np.where(ended, np.nan, np.nan)"),
    ('metrics = {"pumping_cost"', 'metrics = {"cost"'),
    ("self._live &= ~ended", "pass"),
    ("_take(self._observe(), final_rows)", "self._observe()"),
    ("            self._start(final_rows)\n", ""),
    ("final_rows=final_rows if final_obs is not None else None", "final_rows=None"),
    ("self._level / CAPACITY_M3", "self._level / 0.0 * 0.0"),
    ("self._level / CAPACITY_M3", "self._level / self._level.sum()"),
    ("(self.copies, TANKS, 3), np.float32", "(self.copies, TANKS, 3), np.float64"),
    ("obs=obs, alive=", "obs=obs, action_mask=np.zeros((self.copies, TANKS, 2), bool), alive="),
    ("np.repeat(self._live[:, None], TANKS, axis=1)", "np.ones((self.copies, TANKS), bool)"),
    ("np.repeat(self._live[:, None], TANKS, axis=1)", "self._live[:, None]"),
    ('"_cost", "_live")', '"_live")'),
    ('"_seed", "_episode"', '"_episode"'),
    ("action.discrete.shape != (self.copies, TANKS, 1)", "action.discrete.ndim != 3"),
    ("if not ((action.discrete == 0) | (action.discrete == 1)).all():", "if False:"),
    ("change = np.where(", "action.discrete[:] = 1\n        change = np.where("),
    ("change = np.where(", "np.random.seed(1)\n        change = np.where("),
    ("change = np.where(", 'open("/dev/null").fileno()\n        change = 2 * np.where('),
    ("inflow - pumped, 0.0)", "inflow - 0.9 * pumped, 0.0)"),
    ("float(surplus.sum())", "float(surplus.sum()) + 50"),
    ("float(surplus.sum())", 'float("inf")'),
    ("if abs(stored - bound.value) > 1e-9:", "if False:"),
    ("reason = np.where(changed, np.where(full, 1, 2), 0)", "reason = np.where(changed, 0, 0)"),
    ("np.where(empty, 0, proposed))", "np.where(empty, 0, 1 - proposed))"),
    ("full = problem.level_m3 + INFLOW_MAX_M3_H > CAPACITY_M3", "full = problem.level_m3 > 99"),
    ('return ("level_band",)', "return ()"),
    ('return ("level_band",)', 'return ("level_bund",)'),
    ("(level > self._on) |", "(level > 99) |"),
    ('return {"pumping": self._pumping}', 'return {"pumping": ~self._pumping}'),
    ('"on/off band of the level"', '""'),
    ('return _ENTRIES', "self.seen = 1\n        return _ENTRIES"),
)  # fmt: skip
BEAM = (
    ("headline = MASS", "headline = DEFLECTION"),
    ("metrics = (MASS, DEFLECTION)\n", "metrics = (MASS,)\n"),
    ("np.stack([mass, deflection], axis=1)", "np.stack([deflection, mass], axis=1)"),
    ("np.stack([mass, deflection], axis=1)", "np.stack([mass, deflection], axis=0)"),
    ("np.stack([mass, deflection], axis=1)", "np.stack([mass, mass * np.nan], axis=1)"),
    ("(deflection - DEFLECTION_MAX_M)[:, None]", "deflection - DEFLECTION_MAX_M"),
    ("cost_s=np.zeros(n)", "cost_s=-np.ones(n)"),
    ('tuple("ok" for _ in designs)', '("ok",)'),
    ('tuple("ok" for _ in designs)', 'tuple("fine" for _ in designs)'),
    ("cached=np.zeros(n, bool)", "cached=np.zeros(n)"),
    ("mass = table[:, 1] * width", "mass = table[:, 1] * width.mean()"),
    ("mass = table[:, 1] * width", "mass = np.random.rand(n) * width"),
    ("n = len(designs)", "n = len(designs)\n        designs[:] = 0"),
    ("load_n * LENGTH_M**3 / (young * deflection_m)", "load_n * 3 / (young * deflection_m)"),
    ('"material": "steel"}}', '"material": "stone"}}'),
    ("math.ceil(side / STOCK_STEP_M)", "math.floor(side / STOCK_STEP_M)"),
)  # fmt: skip
DEFECTS = [("tank", *pair) for pair in TANK] + [("beam", *pair) for pair in BEAM]
LEAST_SHARE = 0.95


def seen(folder: Path, number: int) -> bool:
    """Whether some check fails on the toy with that defect; stops at the first one."""
    toy, old, new = DEFECTS[number]
    text = (TOYS / f"{toy}.py").read_text(encoding="utf-8")
    assert old in text, old
    module = f"defect_{number}"
    (folder / f"{module}.py").write_text(text.replace(old, new), encoding="utf-8")
    manifest, _ = manifests()[f"toy.{toy}"]
    try:
        domain = importlib.import_module(module).DOMAIN
        subject = subject_of(domain, manifest)
    except Exception:  # noqa: BLE001 - a domain that does not import is seen
        return True
    rules = [rule for rule in CHECKS if not rule.process]
    return any(run_check(rule, subject).outcome == "failed" for rule in rules)


@pytest.mark.filterwarnings("ignore")
def test_nearly_all_seeded_defects_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    missed = [DEFECTS[i] for i in range(len(DEFECTS)) if not seen(tmp_path, i)]
    for number in range(len(DEFECTS)):
        sys.modules.pop(f"defect_{number}", None)
    assert len(DEFECTS) >= 60
    assert len(missed) <= (1 - LEAST_SHARE) * len(DEFECTS), missed
