"""DRAM memory controllers, simulated to the cycle."""

from trimtab_hardware.dram.address_map import AddressMap, read_address_map
from trimtab_hardware.dram.configuration import Configuration
from trimtab_hardware.dram.configuration_files import read_configuration
from trimtab_hardware.dram.part import Part, load_part, part_ids
from trimtab_hardware.dram.part_files import read_part
from trimtab_hardware.dram.result import COMMANDS, CommandTrace, Result
from trimtab_hardware.dram.simulation import Engine, simulate
from trimtab_hardware.dram.timing import Rail, Timing
from trimtab_hardware.dram.traces import Trace

__all__ = [
    "COMMANDS",
    "AddressMap",
    "CommandTrace",
    "Configuration",
    "Engine",
    "Part",
    "Rail",
    "Result",
    "Timing",
    "Trace",
    "load_part",
    "part_ids",
    "read_address_map",
    "read_configuration",
    "read_part",
    "simulate",
]
