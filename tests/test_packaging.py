"""The house: what is installed where, what imports what, and that every docstring's example runs."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import grngc_fast
from grngc_fast import kernels

CHECKOUT = Path(__file__).resolve().parents[1]
SOURCES = sorted(p for room in ("grngc_fast", "kernels") for p in (CHECKOUT / room).rglob("*.py"))


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


@pytest.fixture
def house(tmp_path):
    """A copy as it is installed, and a call that holds it against the rooms' order in pyproject.toml."""
    pytest.importorskip("importlinter", reason='needs import-linter: pip install "grngc-fast[test]"')
    shutil.copytree(CHECKOUT / "grngc_fast", tmp_path / "grngc_fast", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(CHECKOUT / "kernels", tmp_path / "grngc_fast" / "kernels", dirs_exist_ok=True)
    code = "from importlinter.cli import lint_imports_command as run; run()"
    command = [sys.executable, "-c", code, str(CHECKOUT / "pyproject.toml"), "--no-cache"]
    return tmp_path / "grngc_fast", lambda: subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)


def test_every_arrow_points_down(house):
    _, linted = house
    done = linted()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every arrow points down KEPT" in done.stdout


@pytest.mark.parametrize(
    ("place", "planted"),
    [
        ("series/table.py", "def later():\n    from ..planning import decide\n    return decide\n"),
        ("kernels/spline/basis.py", "from ...errors import InputError as _\n"),
        ("attic.py", "from .errors import InputError as _\n"),
    ],
    ids=["upward, in a function", "a kernel that knows the house", "a room that has no place"],
)
def test_an_arrow_that_does_not_is_found(house, place, planted):
    root, linted = house
    with (root / place).open("a") as file:
        file.write(f"\n\n{planted}")
    done = linted()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout


def room_of(name: str) -> str:
    """The folder that a module lies in, of those right below the package; the package itself for its loose files."""
    parts = name.split(".")[1:]
    return parts[0] if (parts and (CHECKOUT / "grngc_fast" / parts[0]).is_dir()) or parts[:1] == ["kernels"] else ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(CHECKOUT)))
def test_private_names_stay_in_their_room(path):
    own = ".".join(path.relative_to(CHECKOUT).parts[:-1])
    own = own if own.startswith("grngc_fast") else f"grngc_fast.{own}"
    private = {n for n in imported(path) if re.search(r"\._[a-z]", n) and n.startswith("grngc_fast")}
    assert not {n for n in private if room_of(n) != room_of(own)}


def test_import_and_module_form_need_neither_triton_nor_the_optional_packages():
    """In the checkout, by `import` and as by `python -m grngc_fast`."""
    blocked = [
        "triton",
        "matplotlib",
        "networkx",
        "pyarrow",
        "openpyxl",
        "h5py",
        "polars",
        "xarray",
        "anndata",
        "jinja2",
        "pytest",
    ]
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
    assert {"grngc_fast/py.typed", "grngc_fast/cli/report.html.j2"} <= files


MODULES = sorted(
    m.name for m in pkgutil.walk_packages(grngc_fast.__path__[:1], "grngc_fast.") if "__main__" not in m.name
)


@pytest.mark.parametrize("name", [*MODULES, "grngc_fast.kernels.matmul_l1.op", "grngc_fast.kernels.spline.op"])
def test_docstring_examples_run(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE).failed == 0


def test_public_names_are_documented():
    for name in grngc_fast.__all__:
        assert (getattr(grngc_fast, name).__doc__ or "").strip(), name
