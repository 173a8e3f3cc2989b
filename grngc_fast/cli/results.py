"""A result folder: refused if results are there, written whole or not at all."""

from __future__ import annotations

import copy
import csv
import importlib.util
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sklearn
import torch

from .. import __version__
from ..datasets import Dataset
from ..errors import InputError
from ..estimator import GRNGC
from ..evaluation import Evaluation
from ..graph import CausalGraph
from ..graph.drawing import plot_graph_summary
from ..planning.path_result import LambdaPath
from ..plotting import plot_edge_effects
from ..scoring import EdgeEffect
from .report import REPORT_FILE, Report
from .trust import Trust

FIT_FILES = ("edges.csv", "scores.npz", "graph.png", "run.json")
EFFECT_FILES = ("effects.csv", "effects.png")
PATH_FILES = ("path.csv", "path.png", "edges.csv", "scores.npz", "run.json")
# Scores up to here are all written.
DENSE_BYTES = 2**27
SIMULATION_FILES = ("data.csv", "truth.csv", "truth.npz")


class OutputFolder:
    """Where results go; checked before any work is done."""

    def __init__(self, path: Path, files: Sequence[str], force: bool) -> None:
        self.path, self.files = path, tuple(files)
        odd = [name for name in files if (path / name).exists() and not (path / name).is_file()]
        if odd:
            raise InputError(
                f"{path / odd[0]} is not a file and cannot be overwritten; move it away or name another folder"
            )
        present = [name for name in files if (path / name).exists()]
        if present and not force:
            raise InputError(
                f"{path} holds results already ({', '.join(present)}); name another folder or pass --force"
            )
        above = next(p for p in (path, *path.absolute().parents) if p.exists())
        if not above.is_dir():
            raise InputError(f"--out {path}: {above} is a file; name a folder")
        if not os.access(above, os.W_OK):
            raise InputError(f"--out {path}: no permission to write in {above}")

    def without(self, name: str) -> OutputFolder:
        """The same folder, in which this file will not be written."""
        folder = copy.copy(self)
        folder.files = tuple(own for own in self.files if own != name)
        return folder

    @contextmanager
    def staged(self) -> Iterator[Path]:
        """A folder inside the final one; its files move over only when the block ends well."""
        new = not self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".writing-", dir=self.path))
        try:
            yield stage
            for name in self.files:
                os.replace(stage / name, self.path / name)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
            if new and not any(self.path.iterdir()):
                self.path.rmdir()


def fit_files(effects: bool = False, report: bool = False, trust: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Files of a fit, with those of edges' effects, of how surely they are there and a report; without matplotlib no picture."""
    further = (EFFECT_FILES if effects else ()) + trust
    return _drawable(FIT_FILES + further + ((REPORT_FILE,) if report else ()))


def path_files() -> tuple[str, ...]:
    """Files of a path; without matplotlib there is no picture."""
    return _drawable(PATH_FILES)


def _drawable(files: tuple[str, ...]) -> tuple[str, ...]:
    if importlib.util.find_spec("matplotlib") is not None:
        return files
    for picture in (name for name in files if name.endswith(".png")):
        print(f'{picture} is left out: it needs matplotlib, pip install "grngc-fast[plot]"')
    return tuple(name for name in files if not name.endswith(".png"))


def write_fit(
    out: OutputFolder,
    found: GRNGC,
    selection: dict[str, Any],
    record: dict[str, Any],
    truth: np.ndarray[Any, Any] | None,
    dense: bool,
    effects: Sequence[EdgeEffect] | None = None,
    report: Report | None = None,
    trust: Trust | None = None,
) -> bool:
    """edges.csv, scores.npz, graph.png, run.json, of effects effects.csv and effects.png, of a report report.html, of `trust`
    its pictures.

    Returns whether scores.npz holds all scores. Above `DENSE_BYTES`, unless `dense`, it holds the selected edges.
    """
    graph = found.graph_
    if isinstance(graph, CausalGraph):
        arrays = (graph.scores, graph.lag_scores, graph.signed_scores, graph.standard_error, graph.gradients)
        if not dense and sum(array.nbytes for array in arrays if array is not None) > DENSE_BYTES:
            graph = graph.kept(**selection)
    with out.staged() as stage:
        found.graph_.to_csv(stage / "edges.csv", **selection)
        graph.save(stage / "scores.npz")
        if "graph.png" in out.files:
            plot_graph_summary(found.graph_, truth=truth, history=found.history_).savefig(stage / "graph.png", dpi=150)
        if effects is not None:
            _write_effects(stage / "effects.csv", effects)
            if "effects.png" in out.files:
                plot_edge_effects(effects).savefig(stage / "effects.png", dpi=150)
        if trust is not None:
            trust.draw(stage, out.files)
        if report is not None:
            pictures = [stage / name for name in out.files if name.endswith(".png")]
            (stage / REPORT_FILE).write_text(report.html(found, record, pictures), encoding="utf-8")
        (stage / "run.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return isinstance(graph, CausalGraph)


def _write_effects(path: Path, effects: Sequence[EdgeEffect]) -> None:
    with path.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(("source", "target", "lag", "x", "effect", "low", "high"))
        for edge in effects:
            for values in zip(edge.x, edge.effect, edge.low, edge.high, strict=True):
                writer.writerow((edge.source, edge.target, edge.lag, *(f"{value:.9g}" for value in values)))


def write_path(
    out: OutputFolder, found: LambdaPath, graph: CausalGraph, selection: dict[str, Any], record: dict[str, Any]
) -> None:
    """path.csv and path.png of the whole path; edges.csv, scores.npz and run.json of the chosen strength."""
    columns = {
        "lam": found.lams,
        "validation_mse": found.validation_error,
        "validation_se": found.validation_se,
        "training_mse": found.training_error,
        "edges": found.edge_counts,
        "diverged": found.diverged.sum(0),
    }
    with out.staged() as stage:
        np.savetxt(
            stage / "path.csv", np.stack(list(columns.values()), 1), "%.9g", ",", header=",".join(columns), comments=""
        )
        if "path.png" in out.files:
            found.plot().savefig(stage / "path.png", dpi=150)
        graph.to_csv(stage / "edges.csv", **selection)
        graph.save(stage / "scores.npz")
        (stage / "run.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def path_record(
    found: LambdaPath,
    index: int,
    seed: int,
    source: dict[str, Any],
    selection: dict[str, Any],
    seconds: float,
    evaluation: Evaluation | None,
    warned: Sequence[str] = (),
) -> dict[str, Any]:
    """All that is needed to repeat the path, and the strength that was chosen."""
    return {
        "table": source.pop("table"),
        "settings": {**found.settings, "random_state": seed, "lam": float(found.lams[index])},
        "seed": seed,
        "data": source,
        "doubt": found.settings.get("doubt"),
        "warnings": list(warned),
        "edges": selection,
        "timings": {"fit_seconds": round(seconds, 3)},
        "path": {
            "lams": found.lams.tolist(),
            "chosen": index,
            "best_lam": found.best_lam,
            "one_se_lam": found.one_se_lam,
            "edge_threshold": found.threshold,
            "validation_mse": float(found.validation_error[index]),
            "diverged": int(found.diverged.sum()),
        },
        **_circumstances(evaluation),
    }


def run_record(
    found: GRNGC,
    seed: int,
    source: dict[str, Any],
    selection: dict[str, Any],
    evaluation: Evaluation | None,
    ridge: Evaluation | None,
    effects: Sequence[EdgeEffect] | None = None,
    warned: Sequence[str] = (),
    trust: Trust | None = None,
) -> dict[str, Any]:
    """All that is needed to repeat the run, and what came of it."""
    history = found.history_
    return {
        "table": source.pop("table"),
        "settings": {**found.graph_.metadata, "random_state": seed},
        "seed": seed,
        "data": source,
        "doubt": found.graph_.metadata.get("doubt"),
        "warnings": list(warned),
        "regulators": found.candidates_.n_causes,
        "targets": found.candidates_.n_effects,
        "candidate_pairs": found.candidates_.n_pairs,
        "edges": selection,
        "effects": None if effects is None else [_effect_record(edge) for edge in effects],
        **(Trust() if trust is None else trust).settings(),
        "timings": {
            "fit_seconds": round(found.fit_seconds_, 3),
            **{f"{phase}_seconds": round(seconds, 3) for phase, seconds in found.timings_.items()},
        },
        "training": {
            "stopped": history.stopped,
            "kept_step": history.best_step,
            "forecast_mse": history.forecast[-1],
            "validation_mse": None if np.isnan(history.validation[-1]) else history.validation[-1],
            "penalty": history.penalty[-1],
            "active_edges": history.active_edges[-1],
        },
        **_circumstances(evaluation, ridge),
    }


def _effect_record(edge: EdgeEffect) -> dict[str, Any]:
    return {"source": edge.source, "target": edge.target, "lag": edge.lag, "windows": edge.n_windows}


def _circumstances(evaluation: Evaluation | None, ridge: Evaluation | None = None) -> dict[str, Any]:
    """How well it did where that is known, with what, on what and when."""
    return {
        "evaluation": _areas(evaluation),
        "ridge_evaluation": _areas(ridge),
        "versions": {
            "grngc_fast": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
        },
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "threads": torch.get_num_threads(),
            "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _areas(evaluation: Evaluation | None) -> dict[str, float] | None:
    return None if evaluation is None else {"auroc": evaluation.auroc, "auprc": evaluation.auprc}


def write_simulation(out: OutputFolder, data: Dataset) -> None:
    """data.csv, trajectories end to end, truth.csv (source, target) and truth.npz ([effect, cause(, lag)])."""
    names, truth = data.names, data.truth
    assert truth is not None
    with out.staged() as stage:
        np.savetxt(
            stage / "data.csv",
            np.concatenate(data.trajectories),
            delimiter=",",
            header=",".join(names),
            comments="",
            fmt="%.9g",
        )
        edges = np.argwhere(truth.any(-1) if truth.ndim == 3 else truth)
        lines = ["source,target", *(f"{names[cause]},{names[effect]}" for effect, cause in edges)]
        (stage / "truth.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        np.savez_compressed(stage / "truth.npz", truth=truth)
