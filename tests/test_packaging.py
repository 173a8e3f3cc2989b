"""The house: what is installed where, what imports what, and that every docstring's example runs."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import grngc_fast
from grngc_fast import kernels

CHECKOUT = Path(__file__).resolve().parents[1]
SOURCES = sorted(p for room in ("grngc_fast", "kernels") for p in (CHECKOUT / room).rglob("*.py"))
# From the ground up; a room may import itself and those before it.
ROOMS = ["kernels", "jacobian", "models", "penalty scores", "training", "estimator", "cli"]


def imported(path: Path) -> set[str]:
    """Absolute names of all modules that a source file imports, inside functions too."""
    parts = list(path.relative_to(CHECKOUT).with_suffix("").parts)
    if parts[0] == "kernels":
        parts.insert(0, "grngc_fast")
    package = parts[:-1]
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            names |= {f"{base}.{alias.name}" for alias in node.names} | {base}
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(CHECKOUT)))
def test_nothing_imports_a_top_level_kernels_and_kernels_import_nothing_above(path):
    names = imported(path)
    assert not {n for n in names if n.split(".")[0] == "kernels"}
    if path.is_relative_to(CHECKOUT / "kernels"):
        assert not {n for n in names if n.startswith("grngc_fast") and not n.startswith("grngc_fast.kernels")}


def room_of(name: str) -> int | None:
    for number, rooms in enumerate(ROOMS):
        if any(re.match(rf"grngc_fast\.{room}(\.|$)", name) for room in rooms.split()):
            return number
    return None


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(CHECKOUT)))
def test_no_room_imports_a_higher_one(path):
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    own = room_of(".".join(parts if parts[0] == "grngc_fast" else ("grngc_fast", *parts)))
    if own is None:
        pytest.skip("the file is not in one of the ordered rooms")
    assert not {n for n in imported(path) if (room_of(n) or 0) > own}


def test_import_and_module_form_need_neither_triton_nor_the_optional_packages():
    """In the checkout, by `import` and as by `python -m grngc_fast`."""
    blocked = ["triton", "pandas", "matplotlib", "networkx", "pyarrow", "pytest"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r}));"
        "import grngc_fast, grngc_fast.kernels, grngc_fast.datasets, grngc_fast.cli; print(grngc_fast.__version__);"
        "import runpy; sys.argv = ['grngc-fast', '--version']; runpy.run_module('grngc_fast', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [grngc_fast.__version__, f"grngc-fast {grngc_fast.__version__}"]


def test_kernels_are_one_module_inside_the_package():
    assert kernels.__name__ == "grngc_fast.kernels"
    assert "kernels" not in sys.modules


def test_the_wheel_holds_kernels_inside_the_package(tmp_path):
    setuptools = pytest.importorskip(
        "setuptools", minversion="77", reason="building a wheel here needs setuptools >= 77"
    )
    assert setuptools
    source = tmp_path / "source"
    source.mkdir()
    for name in ("grngc_fast", "kernels", "pyproject.toml", "README.md", "LICENSE"):
        (source / name).symlink_to(CHECKOUT / name)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
    assert {f.split("/")[0] for f in files} == {"grngc_fast", f"grngc_fast-{grngc_fast.__version__}.dist-info"}
    expected = {
        "/".join(
            p.relative_to(CHECKOUT).parts
            if p.is_relative_to(CHECKOUT / "grngc_fast")
            else ("grngc_fast", *p.relative_to(CHECKOUT).parts)
        )
        for p in SOURCES
    }
    assert expected <= files
    assert "grngc_fast/py.typed" in files


MODULES = sorted(
    m.name for m in pkgutil.walk_packages(grngc_fast.__path__[:1], "grngc_fast.") if "__main__" not in m.name
)


@pytest.mark.parametrize("name", [*MODULES, "grngc_fast.kernels.matmul_l1.op", "grngc_fast.kernels.spline.op"])
def test_docstring_examples_run(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


def test_public_names_are_documented():
    for name in grngc_fast.__all__:
        assert (getattr(grngc_fast, name).__doc__ or "").strip(), name
