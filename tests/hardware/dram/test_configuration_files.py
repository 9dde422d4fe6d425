import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trimtab.contracts.errors import InputFileError, UnknownNameError
from trimtab_hardware.dram.configuration import (
    ARBITERS,
    BUFFERS,
    PAGE_POLICIES,
    SCHEDULERS,
    Configuration,
)
from trimtab_hardware.dram.configuration_files import (
    configuration_from,
    read_configuration,
    to_dramsim3,
    to_mcconfig,
    to_ramulator,
)
from trimtab_hardware.dram.part import load_part


@given(
    st.sampled_from(PAGE_POLICIES), st.sampled_from(SCHEDULERS), st.sampled_from(BUFFERS),
    st.sampled_from(ARBITERS), st.integers(1, 128), st.integers(0, 8),
)  # fmt: skip
def test_the_mcconfig_form_round_trips(
    page: str, scheduler: str, buffer: str, arbiter: str, size: int, postponed: int
) -> None:
    design = Configuration(
        page_policy=page, scheduler=scheduler, scheduler_buffer=buffer, arbiter=arbiter,
        request_buffer_size=size, refresh_max_postponed=postponed,
    )  # fmt: skip
    assert configuration_from(json.loads(to_mcconfig(design))) == design


def test_an_unknown_key_is_named_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mc.json"
    path.write_text('{"mcconfig": {"PagePolcy": "Open"}}')
    with pytest.raises(InputFileError, match=r"mc\.json: unknown key 'PagePolcy'"):
        read_configuration(path)


def test_a_delay_that_the_engine_lacks_is_refused() -> None:
    with pytest.raises(InputFileError, match="ThinkDelayFw = 10"):
        configuration_from({"mcconfig": {"ThinkDelayFw": 10}})


def test_what_the_format_cannot_say_is_refused() -> None:
    with pytest.raises(InputFileError, match="row_hit_cap = 4"):
        to_mcconfig(Configuration(row_hit_cap=4))


def test_a_wrong_choice_suggests_the_right_one() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'FrFcfs'"):
        Configuration(scheduler="FrFcf")


def test_a_number_out_of_range_is_named() -> None:
    with pytest.raises(InputFileError, match="request_buffer_size = 0"):
        Configuration(request_buffer_size=0)


def test_watermarks_must_be_ordered() -> None:
    with pytest.raises(InputFileError, match="low_watermark = 30 is not below"):
        Configuration(scheduler="GrpFrFcfsWm", low_watermark=30)


def test_the_other_exports_carry_page_policy_and_queue() -> None:
    design = Configuration(page_policy="Closed", request_buffer_size=4)
    assert "ClosedRowPolicy" in to_ramulator(design)
    text = to_dramsim3(design)
    assert "row_buf_policy = CLOSE_PAGE" in text
    assert "cmd_queue_size = 4" in text


def test_a_refresh_that_the_part_lacks_is_refused_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "controller.json"
    path.write_text('{"mcconfig": {"RefreshPolicy": "PerBank"}}')
    with pytest.raises(InputFileError, match=r"controller\.json: part ddr3.* has no PerBank"):
        read_configuration(path, load_part("ddr3-1600-1gb-x8"))
    assert read_configuration(path, load_part("lpddr4-3200-8gb-x16")).refresh_policy == "PerBank"


def test_a_timeout_before_power_down_is_not_lost_in_the_file() -> None:
    with pytest.raises(InputFileError, match="power_down = Timeout cannot be said"):
        to_mcconfig(Configuration(power_down="Timeout"))
