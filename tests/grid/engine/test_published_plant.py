"""The compatibility mode beside a readable transcription of the published equations.

Facts: Nekoei et al., arXiv 2512.01046, as listed in the specification (section 2.4); no code of
theirs is used. Identical actions, chosen so that nothing has to intervene.
"""

import math

import numpy as np
from trimtab_grid.plant import load_plant

STEPS = 10_000
PRIME_KW, MIN_KW, WARM_KW = 400.0, 120.0, 100.0
WARM_MIN, COOL_MIN, RUN_MIN, WINDOW_MIN = 3, 6, 29, 2880


def _cents(kw):
    return math.floor(kw * 100.0 + 0.5) / 100.0


class PublishedUnit:
    """Off, warming, running or cooling, with the minutes it has been so."""

    def __init__(self) -> None:
        self.status, self.minutes, self.mean_kw = "off", 0, 120.0

    def begin(self, status) -> None:
        self.status, self.minutes = status, 0

    def pass_minute(self) -> None:
        self.minutes += 1
        if self.status == "warm" and self.minutes == WARM_MIN:
            self.begin("run")
        elif self.status == "cool" and self.minutes == COOL_MIN:
            self.begin("off")


class PublishedVillage:
    """Two gensets in fixed order, wind and the battery of one quadratic a step."""

    def __init__(self, soc) -> None:
        self.units, self.soc = [PublishedUnit(), PublishedUnit()], soc
        self.fuel_l = 0.0

    def take(self, choice) -> bool:
        """Start the next or stop the last unit, if the order rules allow it."""
        status = [unit.status for unit in self.units]
        if choice == 1 and "cool" not in status and "off" in status:
            self.units[status.index("off")].begin("warm")
            return True
        if choice == -1 and "warm" not in status and "run" in status:
            last = max(i for i, s in enumerate(status) if s == "run")
            if self.units[last].minutes >= RUN_MIN:
                self.units[last].begin("cool")
                return True
        return choice == 0

    def fixed_kw(self):
        return sum(WARM_KW for unit in self.units if unit.status == "warm")

    def running(self):
        return sum(unit.status == "run" for unit in self.units)

    def minute(self, load_kw, wind_kw, battery_kw):
        """Dispatch, fuel and charge of one minute; returns unit powers and used wind."""
        running = self.running()
        rest = load_kw - battery_kw - self.fixed_kw()
        used = min(wind_kw, rest - MIN_KW * running) if running else wind_kw
        each = _cents((rest - used) / running) if running else 0.0
        powers = []
        for unit in self.units:
            power = {"run": each, "warm": WARM_KW, "cool": 0.0, "off": 0.0}[unit.status]
            powers.append(power)
            if unit.status != "off":
                self.fuel_l += (0.25 * power + 10.0) / 60.0
                counted = max(power, 0.3 * PRIME_KW)
                unit.mean_kw = ((WINDOW_MIN - 1) * unit.mean_kw + counted) / WINDOW_MIN
            unit.pass_minute()
        self.soc -= self._fall(battery_kw)
        return powers, used

    def _fall(self, battery_kw):
        watt = 1000.0 * (battery_kw / 0.95 if battery_kw > 0 else battery_kw * 0.95)
        volt = 39.6 * self.soc + 929.16
        ohm = 0.039375 + 39.6 / (672.0 * 60.0)
        ampere = (volt - math.sqrt(volt * volt - 4.0 * ohm * watt)) / (2.0 * ohm)
        return ampere / (672.0 * 60.0)


def _setpoint(village, load_kw, wind_kw, rng):
    """A random battery power with which the running units keep their limits."""
    rest = load_kw - village.fixed_kw()
    low = rest - wind_kw - PRIME_KW * village.running()
    high = rest - MIN_KW * village.running()
    if not village.running():
        return None
    wish = 250.0 * (village.soc - 0.5) * 2.0 + rng.uniform(-150.0, 150.0)
    return _cents(min(max(wish, low + 1.0), high - 1.0))


def test_fuel_charge_and_status_match_the_published_equations_over_ten_thousand_minutes(fleet):
    plant = load_plant("plant-a")
    battery = plant.battery.model_copy(update={"model": "compat"})
    plant = plant.model_copy(update={"battery": battery})
    rng = np.random.default_rng(11)
    bank = np.zeros((1, STEPS + 1, 3))
    bank[0, :, 0] = 320.0 + 60.0 * np.sin(np.arange(STEPS + 1) / 180.0)
    bank[0, :, 0] += rng.uniform(-15.0, 15.0, STEPS + 1)
    bank[0, :, 1] = 60.0 + 50.0 * np.sin(np.arange(STEPS + 1) / 77.0)
    ours, village = fleet(plant, 1.0, bank, shield=False), PublishedVillage(0.5)
    codes = {"off": 0, "warm": 1, "run": 2, "cool": 3}
    starts = 0
    for k in range(STEPS):
        load, wind = bank[0, k + 1, 0], bank[0, k + 1, 1]
        choice = int(rng.choice([-1, 0, 1], p=[0.02, 0.95, 0.03]))
        if choice == -1 and village.running() < 2:
            choice = 0
        if k == 0:
            choice = 1
        legal = village.take(choice)
        setpoint = _setpoint(village, load, wind, rng)
        if setpoint is None:
            setpoint = _cents(load - wind - village.fixed_kw())
        starts += legal and choice == 1
        status = [codes[unit.status] for unit in village.units]
        powers, used = village.minute(load, wind, setpoint)
        moment = ours.step(np.array([choice]), setpoint)[0]
        assert list(moment.mode[:2]) == status
        assert abs(moment.battery_kw - setpoint) < 0.011
        assert np.abs(moment.power_kw[:2] - powers).max() < 0.011
        assert abs(moment.wind_used_kw - used) < 0.011
        assert abs(ours.states[0].soc - village.soc) < 1e-6
        assert abs(ours.states[0].fuel_l - village.fuel_l) < 1e-6 * max(1.0, village.fuel_l)
    assert starts > 20
    assert max(unit.mean_kw for unit in village.units) < 0.7 * PRIME_KW
    means = [unit.mean_kw for unit in village.units]
    assert np.abs(ours.states[0].mean_kw[:2] - means).max() < 1e-6
