"""The plug-in contract's checks on the adaptation problem, small."""

from pathlib import Path
from typing import Any

import pytest
import trimtab_hardware
from trimtab.contracts.registry import manifests
from trimtab.testing.conformance import DomainConformance, subject_of
from trimtab_hardware.dram.adapt.domain import DOMAIN
from trimtab_hardware.dram.adapt.scenario import AdaptScenario


class TestAdaptation(DomainConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls) -> Any:
        small = AdaptScenario(epochs=8, epoch_requests=64, phase_requests=128)
        manifest, _ = manifests()[DOMAIN.name]
        return subject_of(DOMAIN, manifest, small, Path(trimtab_hardware.__file__).parent)
