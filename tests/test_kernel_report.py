"""The compiler's report: kernels compile for GPUs that are not here, and what is wrong with one is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]

pytest.importorskip("triton")
from grngc_fast.kernels.matmul_l1.gpu import configs  # noqa: E402
from profiling import kernel_choice, kernel_compile  # noqa: E402

PROGRAM = """
import json, sys
from profiling.kernel_compile import Variant, compile_variant
from profiling import spline_report, steps_report
from grngc_fast.kernels.matmul_l1.gpu.configs import Config, Key
tried = [(Variant(Key("rows", depth, 1), ("SUM", "GRAD")), Config(*config)) for depth, config in json.loads(sys.argv[1])]
tried += [(variant, None) for variant in spline_report.variants(every=False)]
tried += [(variant, None) for variant in steps_report.variants(every=False) if variant.aligned]
found = [compile_variant("sm_90", *one) for one in tried]
print(json.dumps([[r.key, r.fault, r.tensor_instructions, r.registers] for r in found]))
"""
KEY = configs.Key("rows", 64, 1)
BAKED = configs.choose("sm_90", KEY)
FAULTS = {"SPILLS": (128, 64, 64, 2, 1), "NO TENSOR CORES": (32, 32, 64, 4, 2)}


@pytest.fixture(scope="module")
def reports():
    """Of baked and faulty configurations, splines and steps of small networks, from a process that interprets nothing."""
    assert BAKED is not None
    tried = [tuple(asdict(BAKED).values()), *FAULTS.values()]
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, json.dumps([[KEY.depth, config] for config in tried])]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return dict(zip(("baked", *FAULTS), found, strict=False)), found[len(tried) :]


def test_a_baked_configuration_uses_the_tensor_cores_and_does_not_spill(reports):
    _, fault, instructions, registers = reports[0]["baked"]
    assert fault == ""
    assert instructions > 0
    assert 0 < registers <= 255


def test_the_spline_kernels_compile_without_a_spill(reports):
    splines = [report for report in reports[1] if report[0].startswith("spline")]
    assert {key.split()[1] for key, *_ in splines} == {"slopes", "grad_weights", "grad_inputs"}
    assert [(key, fault) for key, fault, _, registers in splines if fault or not 0 < registers <= 255] == []


def test_the_steps_of_small_networks_compile_without_a_spill(reports):
    steps = [report for report in reports[1] if report[0].startswith("steps")]
    assert {key.split()[4] for key, *_ in steps} == {"0", "20"}
    assert [(key, fault) for key, fault, _, registers in steps if fault or not 0 < registers <= 255] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_with_a_configuration_is_named(fault, reports):
    assert reports[0][fault][1] == fault


@pytest.mark.parametrize("arch", kernel_compile.GPUS)
def test_every_call_has_a_configuration(arch):
    reachable = kernel_compile.keys()
    for key in reachable:
        if key.kernel != "rows":
            assert configs.choose(arch, key) is not None, key
    assert configs.choose(arch, configs.Key("rows", 128, 1)) is not None


def test_the_faults_of_a_report():
    good = kernel_compile.Resources("sm_90", "rows 64 1 plain", (128, 64, 64, 8, 2), 200, 0, 1000, 2000, 4, 0.5, 1.0)
    assert good.fault == ""
    values = good.__dict__
    assert kernel_compile.Resources(**{**values, "spilled": 8}).fault == "SPILLS"
    assert kernel_compile.Resources(**{**values, "shared": 3000}).fault == "SHARED MEMORY"
    assert kernel_compile.Resources(**{**values, "tensor_instructions": 0}).fault == "NO TENSOR CORES"


def test_the_baked_table_is_written_as_python():
    pairs = [("sm_90", configs.Key("rows", 16, 1)), ("sm_90", configs.Key("rows", 16, 2))]
    text = kernel_choice.table(pairs, [configs.Config(1, 2, 3, 4, 5), None])
    names: dict[str, object] = {}
    exec(text, names)
    assert names["BAKED"] == {"sm_90": {"rows 16 1 plain": (1, 2, 3, 4, 5)}}
