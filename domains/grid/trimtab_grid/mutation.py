"""Faults put into the shield on purpose: does the proof, or a test of exactness, notice?

A mutant changes one place of the code that is both run and proven, of the tubes, or of the kernel
that chooses among admissible commands: an operator, a timer or index by one, the wrong efficiency,
the wrong end of the charge window, a dropped term, scenario or condition. The mutant's own tables
are built, and the theorem is asked of its shield against the true plant. What the theorem survives
may still be too timid: its tables are compared with tubes enumerated step by step, and its
decisions with the definition.
"""

from __future__ import annotations

import ast
import copy
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from trimtab_grid import automaton, shield_kernel, shield_rules, shield_tables, tubes
from trimtab_grid.arrays import PlantArrays
from trimtab_grid.plant import Plant, load_plant
from trimtab_grid.proof import Theorem
from trimtab_grid.tubes import Units

PACKAGE = "trimtab_grid_mutant"
MODULES: dict[str, tuple[ModuleType, str]] = {
    "automaton": (
        automaton,
        "commanded ticked tripped startable stoppable count_in next_to_start last_to_stop "
        "order_commands unit_legal commands_legal fallback_up fallback_down cap_kw floor_kw",
    ),
    "shield_rules": (
        shield_rules,
        "unit_key need_low_kwh need_high_kwh highest_load_kw lowest_load_kw standby_load_kw "
        "deficit_kw surplus_kw drawn_kwh stored_kwh above_kwh below_kwh unit_cap_kw unit_floor_kw "
        "shed_kw with_unit held_totals lower_holds upper_holds scenario_holds may_trip "
        "clearly_admissible admissible in_safe_set battery_bounds_kw",
    ),
    "tubes": (
        tubes,
        "after worst unit held trips side_up side_down need _close _step reduction_up "
        "reduction_down legal_commands commands next_cell cost",
    ),
    "shield_tables": (shield_tables, "forming_units exact_limits fill free_kwh"),
    "shield_kernel": (
        shield_kernel,
        "load_range look_ahead is_safe return_repaired _is_legal _keeps_safe is_admissible "
        "candidate candidates distance _bounds battery_shift_kw why_not shortfall_kwh commit "
        "_nearest _least_bad battery_interval _relaxed",
    ),
}
"""Modules in import order, and the functions that are mutated."""
_DECORATORS = {"register_jitable", "shared"}
"""Offers to the compiler; mutants are run by Python."""

FAULTS = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, NameError)
"""What a mutant's tables or decisions may raise."""
_SWAPS = {
    "charge_efficiency": "discharge_efficiency",
    "discharge_efficiency": "charge_efficiency",
    "discharge_kw": "charge_kw",
    "charge_kw": "discharge_kw",
    "load_max_kw": "load_min_kw",
    "load_min_kw": "load_max_kw",
    "rise_kw": "fall_kw",
    "fall_kw": "rise_kw",
    "warm_kw": "cool_kw",
    "min_kw": "prime_kw",
    "reserve_soc_min": "reserve_soc_max",
    "reserve_soc_max": "reserve_soc_min",
    "warm_steps": "cool_steps",
    "cap_kw": "floor_kw",
    "soc_lo": "soc_hi",
    "soc_hi": "soc_lo",
    "load_hi_kw": "load_lo_kw",
    "load_lo_kw": "load_hi_kw",
    "need_below": "need_above",
    "above": "below",
    "_max": "_min",
    "_min": "_max",
    "max": "min",
    "min": "max",
    "LOW": "HIGH",
    "RUN": "WARM",
    "COOL": "WARM",
    "TRIPPED": "COOL",
    "START": "STOP",
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.GtE: ast.LtE,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.Lt: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    Attributes:
        module: name of the changed module.
        function: where.
        change: what, as source before and after.
        place: number of the mutant within functions of this name.
        source: the module's syntax tree without the change.
        path: number of the function, of the changed node in it, and of the change of that node.
    """

    module: str
    function: str
    change: str
    place: int
    source: ast.Module
    path: tuple[int, int, int]

    def tree(self) -> ast.Module:
        """The module's syntax tree with the change."""
        function, node, choice = self.path
        tree = copy.deepcopy(self.source)
        target = _body(_nth(tree, function))[node]
        _changes(target)[choice](target)
        return tree


def mutants() -> Iterator[Mutant]:
    """All mutants, in the order of the source."""
    for name, (module, functions) in MODULES.items():
        tree = ast.parse(inspect.getsource(module))
        made: dict[str, int] = dict.fromkeys(functions.split(), 0)
        for path, function in _functions(tree):
            if function in made:
                for mutant in _mutants_of(name, tree, path, function, made[function]):
                    made[function] += 1
                    yield mutant


def _functions(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Index in a walk over the tree, and name, of every function."""
    for index, node in enumerate(ast.walk(tree)):
        if isinstance(node, ast.FunctionDef):
            yield index, node.name


def _mutants_of(
    name: str, tree: ast.Module, path: int, function: str, made: int
) -> Iterator[Mutant]:
    """Mutants of one function, numbered from `made` on: nested functions may share a name."""
    for place, node in enumerate(_body(_nth(tree, path))):
        before = ast.unparse(node)
        for choice in range(len(_changes(node))):
            target = copy.deepcopy(node)
            _changes(target)[choice](target)
            after = ast.unparse(target)
            if before != after:
                change = f"{before}  ->  {after}"
                yield Mutant(name, function, change, made, tree, (path, place, choice))
                made += 1


def _nth(tree: ast.Module, path: int) -> Any:
    return list(ast.walk(tree))[path]


def _body(function: Any) -> list[Any]:
    """Expressions and loops inside a function that may be changed; nested functions are own."""
    inner = [n for s in function.body for n in ast.walk(s) if isinstance(n, ast.FunctionDef)]
    skipped = {id(n) for f in inner for n in ast.walk(f)}
    nodes = [n for s in function.body for n in ast.walk(s)]
    skipped |= {id(n.operand) for n in nodes if isinstance(n, ast.UnaryOp)}  # -1 means "none"
    return [n for n in nodes if id(n) not in skipped and _changes(n)]


def _changes(node: Any) -> list[Any]:
    """Functions that each change a node in place."""
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return [_other_operator, _left_only, _right_only]
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
        return [_other_comparison]
    if isinstance(node, ast.Attribute) and node.attr in _SWAPS:
        return [_other_attribute]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in _SWAPS:
        return [_other_name]
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return [_one_more, _one_less]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_both":
        return [_first_argument, _second_argument]
    if isinstance(node, ast.For):
        return [_no_loop]
    if isinstance(node, ast.If | ast.IfExp):
        return [_always, _never]
    return []


def _other_operator(node: Any) -> None:
    node.op = _OPERATORS[type(node.op)]()


def _left_only(node: Any) -> None:
    node.op, node.right = ast.Mult(), ast.Constant(1)


def _right_only(node: Any) -> None:
    node.op, node.left = ast.Mult(), ast.Constant(1)


def _other_comparison(node: Any) -> None:
    node.ops[0] = _COMPARISONS[type(node.ops[0])]()


def _other_attribute(node: Any) -> None:
    node.attr = _SWAPS[node.attr]


def _other_name(node: Any) -> None:
    node.id = _SWAPS[node.id]


def _one_more(node: Any) -> None:
    node.value += 1


def _one_less(node: Any) -> None:
    node.value -= 1


def _first_argument(node: Any) -> None:
    node.args[1] = ast.Constant(value=True)


def _second_argument(node: Any) -> None:
    node.args[0] = ast.Constant(value=True)


def _no_loop(node: Any) -> None:
    node.iter = ast.Tuple(elts=[], ctx=ast.Load())


def _always(node: Any) -> None:
    node.test = ast.Constant(value=True)


def _never(node: Any) -> None:
    node.test = ast.Constant(value=False)


class _Interpreted(ast.NodeTransformer):
    """Undecorates functions that would be offered to the compiler, and redirects imports."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:  # noqa: N802
        node.decorator_list = [
            d for d in node.decorator_list if not (isinstance(d, ast.Name) and d.id in _DECORATORS)
        ]
        self.generic_visit(node)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:  # noqa: N802
        if node.module == "trimtab_grid" and node.names[0].name in MODULES:
            node.module = PACKAGE
        parts = (node.module or "").split(".")
        if parts[0] == "trimtab_grid" and parts[-1] in MODULES:
            node.module = f"{PACKAGE}.{parts[-1]}"
        return node


def mutated_modules(mutant: Mutant | None) -> Mapping[str, ModuleType]:
    """The shield's modules with one change, loaded beside the true ones."""
    package = ModuleType(PACKAGE)
    package.__path__ = []
    sys.modules[PACKAGE] = package
    loaded: dict[str, ModuleType] = {}
    for name, (module, _) in MODULES.items():
        tree = ast.parse(inspect.getsource(module))
        if mutant is not None and mutant.module == name:
            tree = mutant.tree()
        tree = ast.fix_missing_locations(_Interpreted().visit(tree))
        made = ModuleType(f"{PACKAGE}.{name}")
        sys.modules[made.__name__] = loaded[name] = made
        setattr(package, name, made)
        exec(compile(tree, f"<{name}>", "exec"), made.__dict__)  # noqa: S102 -- our own source
    return loaded


def small_plant() -> Plant:
    """Two unlike units with order rules, short timers and every term of the shield in play.

    The limits are tight on purpose: a fault that asks for a little more than the truth breaks one.
    """
    first = {
        "name": "large",
        "warm_up_min": 1,
        "cool_down_min": 2,
        "cool_down_kw": 20,
        "min_run_min": 3,
        "min_down_min": 1,
        "repair_min": 5,
    }
    second = {
        "name": "small",
        "prime_kw": 300,
        "min_kw": 90,
        "warm_up_min": 0,
        "cool_down_min": 0,
        "min_run_min": 1,
        "min_down_min": 2,
        "repair_min": 5,
    }
    limits = {
        "load_min_kw": 30.0,
        "load_max_kw": 450.0,
        "load_rise_kw_per_min": 150.0,
        "load_fall_kw_per_min": 75.0,
        "soc_error": 0.02,
    }
    envelope = {
        "discharge_kw": 453.0,
        "charge_kw": 165.5,
        "energy_kwh": 49.5,
        "charge_efficiency": 0.9,
        "discharge_efficiency": 0.8,
        "standby_kw": 2.0,
    }
    whole = {"shed_kw": 153.0, "shed_delay_min": 2.0, "dump_kw": 15.0}
    return _plant((first, second), limits, envelope, whole)


def small_free_plant() -> Plant:
    """The small plant with free commitment and a battery that cannot hold the frequency alone.

    Any load may follow any other, and nothing trips.
    """
    plant = small_plant()
    limits = {
        "load_min_kw": 105.0,
        "unit_trips": False,
        "load_rise_kw_per_min": None,
        "load_fall_kw_per_min": None,
    }
    return _changed(plant, limits, {"grid_forming": False}, {"commitment": "free"})


def small_parallel_plant() -> Plant:
    """Free commitment with trips and no load to shed or dump; one unit cannot cross its range.

    Warm-up takes several steps and exceeds other times, cool-down takes one and gives no power.
    """
    first = {
        "name": "slow",
        "prime_kw": 300,
        "min_kw": 90,
        "ramp_kw_per_min": 180,
        "warm_up_min": 3,
        "warm_up_kw": 60,
        "cool_down_min": 0,
        "min_run_min": 2,
        "min_down_min": 1,
        "repair_min": 2,
    }
    second = {
        "name": "quick",
        "prime_kw": 261,
        "min_kw": 70,
        "warm_up_min": 0,
        "cool_down_min": 1,
        "min_run_min": 1,
        "min_down_min": 0,
        "repair_min": 3,
    }
    limits = {
        "load_min_kw": 20.0,
        "load_max_kw": 260.0,
        "load_rise_kw_per_min": 65.0,
        "load_fall_kw_per_min": 130.0,
    }
    envelope = {"discharge_kw": 260.5, "charge_kw": 140.5, "energy_kwh": 25.0}
    whole = {"commitment": "free", "shed_kw": 0.0, "shed_delay_min": 0.0, "dump_kw": 0.0}
    return _plant((first, second), limits, envelope, whole)


def small_cooling_plant() -> Plant:
    """The parallel plant with power during cool-down while another unit still has to run."""
    plant = small_parallel_plant()
    slow, quick = plant.gensets
    return plant.model_copy(
        update={"gensets": (slow, quick.model_copy(update={"cool_down_kw": 15.0}))}
    )


def small_lingering_plant() -> Plant:
    """The parallel plant with two steps of cool-down at a power that another unit must add to."""
    plant = small_parallel_plant()
    slow, quick = plant.gensets
    quick = quick.model_copy(update={"cool_down_min": 2.0, "cool_down_kw": 15.0})
    return plant.model_copy(update={"gensets": (slow, quick)})


def small_short_plant() -> Plant:
    """Three units of which no two carry the load: safe nowhere, and its tables must say so.

    Two units have to run, lest a trip leave none that holds the frequency.
    """
    unit = {
        "warm_up_min": 0,
        "min_run_min": 0,
        "min_down_min": 0,
        "repair_min": 1,
    }
    units = [
        {**unit, "name": f"u{prime}", "prime_kw": prime, "min_kw": least, "cool_down_min": cool}
        for prime, least, cool in ((200, 60, 3), (150, 50, 0), (100, 40, 0))
    ]
    limits = {
        "load_min_kw": 115.0,
        "load_max_kw": 300.0,
        "load_rise_kw_per_min": None,
        "load_fall_kw_per_min": None,
    }
    envelope = {"discharge_kw": 400.0, "charge_kw": 200.0, "grid_forming": False}
    whole = {"commitment": "free", "shed_kw": 0.0, "shed_delay_min": 0.0, "dump_kw": 0.0}
    return _plant(units, limits, envelope, whole)


SMALL_PLANTS = (
    small_plant,
    small_free_plant,
    small_parallel_plant,
    small_cooling_plant,
    small_lingering_plant,
    small_short_plant,
)
"""Plants on which mutants are judged: each has terms that the others lack."""


def _plant(
    units: Sequence[Mapping[str, Any]],
    limits: Mapping[str, Any],
    envelope: Mapping[str, Any],
    whole: Mapping[str, Any],
) -> Plant:
    """Plant A with other units and numbers."""
    plant = load_plant("plant-a")
    gensets = tuple(plant.gensets[0].model_copy(update=dict(unit)) for unit in units)
    return _changed(plant, limits, {**envelope, "model": "linear"}, {**whole, "gensets": gensets})


def _changed(
    plant: Plant, limits: Mapping[str, Any], envelope: Mapping[str, Any], whole: Mapping[str, Any]
) -> Plant:
    changes: dict[str, Any] = dict(whole)
    changes["disturbances"] = plant.disturbances.model_copy(update=dict(limits))
    if plant.battery is not None:
        changes["battery"] = plant.battery.model_copy(update=dict(envelope))
    return plant.model_copy(update=changes)


def refuted(mutant: Mutant, record: PlantArrays, states: Sequence[Units], cells: int) -> bool:
    """Whether the theorem fails for a mutant, or its tables cannot be built.

    Args:
        mutant: the change.
        record: the true plant.
        states: unit states to ask about, those that fail soonest first.
        cells: of the load.
    """
    try:
        modules = mutated_modules(mutant)
        built = modules["shield_tables"].build_tables(record, cells)
        theorem = Theorem(built, vars(modules["shield_rules"]))
        return not theorem.check(states, stop_at_failure=True).proven
    except FAULTS:
        return True
