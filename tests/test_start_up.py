"""What is asked for is imported, and no more: the command's version and help need neither torch nor scikit-learn."""

from __future__ import annotations

import subprocess
import sys

import pytest

import grngc_fast
from grngc_fast.cli import main
from grngc_fast.cli.parser import COMMANDS

HEAVY = ("torch", "sklearn", "scipy", "pandas", "numpy", "triton", "matplotlib")


def fresh(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.parametrize("words", [["--version"], ["--help"], []])
def test_version_and_help_import_nothing_heavy(words):
    code = f"""
import sys
from grngc_fast.cli import main
try:
    main({words!r})
except SystemExit:
    pass
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    assert fresh(code).splitlines()[-1] == "[]"


def test_a_fit_imports_no_compiler_and_no_plots(tmp_path):
    code = """
import sys
import numpy as np
from grngc_fast import GRNGC
GRNGC(max_steps=2).fit(np.random.default_rng(0).standard_normal((30, 3)))
unwanted = (
    *("sklearn.linear_model", "sklearn.metrics", "triton", "torch._inductor", "torch._dynamo"),
    *("matplotlib", "networkx", "torch.utils.flop_counter"),
)
print([name for name in unwanted if name in sys.modules])
"""
    assert fresh(code).splitlines()[-1] == "[]"


def test_public_names_are_there_as_if_imported():
    assert set(grngc_fast.__all__) <= set(dir(grngc_fast))
    for name in grngc_fast.__all__:
        assert getattr(grngc_fast, name).__name__ == name
    assert grngc_fast.GRNGC is grngc_fast.estimator.GRNGC
    assert "datasets" in dir(grngc_fast)
    assert grngc_fast.datasets.lorenz96
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = grngc_fast.nothing


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_options(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert f"usage: grngc-fast {name}" in shown
    assert "--help" in shown
    assert len(shown) > 300


def test_an_unknown_command_names_those_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["fti", "--lags", "2"])
    shown = capsys.readouterr().err
    assert all(name in shown for name in COMMANDS)
