"""The benchmark of the command's time measures what it says."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from benchmarks import start_up


def test_every_row_is_measured(monkeypatch):
    called = []
    monkeypatch.setattr(start_up, "_process", lambda words, folder: called.append(words))
    rows = {row.method.removeprefix("start up: "): row.value for row in start_up.run(argparse.Namespace(repeats=1))}
    assert list(rows) == [
        *("version", "help", "imports of torch and scikit-learn", "imports of GRNGC"),
        *("fit command", "fit beyond imports", "fit alone"),
    ]
    assert rows["fit alone"] > rows["fit command"]
    assert len(called) == 2 * 5


def test_a_call_that_fails_is_told(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        start_up._process([sys.executable, "-c", "raise SystemExit(3)"], str(tmp_path))
