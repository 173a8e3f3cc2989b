"""The compiler's report: kernels compile for GPUs that are not here, and what is wrong with one is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]

pytest.importorskip("triton")
from grngc_fast.kernels.matmul_l1.gpu import configs  # noqa: E402
from profiling import kernel_report  # noqa: E402

PROGRAM = """
import json, sys
from dataclasses import asdict
from profiling.kernel_report import Variant, compile_variant
from grngc_fast.kernels.matmul_l1.gpu.configs import Config, Key
key, flags, config = json.loads(sys.argv[1])
found = compile_variant("sm_90", Variant(Key(*key), tuple(flags)), Config(*config))
print(json.dumps([found.fault, found.tensor_instructions, found.registers]))
"""


def compiled(key, flags, config):
    """The report of one configuration, from a process in which Triton is not interpreted."""
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, json.dumps([key, flags, config])],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_baked_configuration_uses_the_tensor_cores_and_does_not_spill():
    config = configs.choose("sm_90", configs.Key("rows", 64, 1))
    assert config is not None
    fault, instructions, registers = compiled(
        ["rows", 64, 1], ["SUM", "GRAD"], [config.rows, config.columns, config.depth, config.warps, config.stages]
    )
    assert fault == ""
    assert instructions > 0
    assert 0 < registers <= 255


SPLINES = """
import json
from profiling import kernel_report, spline_report
found = [kernel_report.compile_variant("sm_90", v) for v in spline_report.variants(every=False)]
print(json.dumps([[r.key, r.fault, r.registers] for r in found]))
"""


def test_the_spline_kernels_compile_without_a_spill():
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    command = [sys.executable, "-W", "ignore", "-c", SPLINES]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {key.split()[1] for key, _, _ in found} == {"slopes", "grad_weights", "grad_inputs"}
    assert [(key, fault) for key, fault, registers in found if fault or not 0 < registers <= 255] == []


@pytest.mark.parametrize(
    ("config", "fault"),
    [((128, 128, 256, 4, 3), "SPILLS"), ((32, 32, 64, 4, 2), "NO TENSOR CORES")],
)
def test_what_is_wrong_with_a_configuration_is_named(config, fault):
    assert compiled(["rows", config[2], 1], ["SUM", "GRAD"], config)[0] == fault


@pytest.mark.parametrize("arch", kernel_report.GPUS)
def test_every_call_has_a_configuration(arch):
    reachable = kernel_report.keys()
    for key in reachable:
        if key.kernel != "rows":
            assert configs.choose(arch, key) is not None, key
    assert configs.choose(arch, configs.Key("rows", 128, 1)) is not None


def test_the_faults_of_a_report():
    good = kernel_report.Resources("sm_90", "rows 64 1 plain", (128, 64, 64, 8, 2), 200, 0, 1000, 2000, 4, 0.5, 1.0)
    assert good.fault == ""
    values = good.__dict__
    assert kernel_report.Resources(**{**values, "spilled": 8}).fault == "SPILLS"
    assert kernel_report.Resources(**{**values, "shared": 3000}).fault == "SHARED MEMORY"
    assert kernel_report.Resources(**{**values, "tensor_instructions": 0}).fault == "NO TENSOR CORES"


def test_the_baked_table_is_written_as_python():
    pairs = [("sm_90", configs.Key("rows", 16, 1)), ("sm_90", configs.Key("rows", 16, 2))]
    text = kernel_report._table(pairs, [configs.Config(1, 2, 3, 4, 5), None])
    names: dict[str, object] = {}
    exec(text, names)
    assert names["BAKED"] == {"sm_90": {"rows 16 1 plain": (1, 2, 3, 4, 5)}}
