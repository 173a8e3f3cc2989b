"""The result of a fit: who causes whom, how strongly, at which lag and with which sign, and the ways out of it.

graph = CausalGraph(scores, names=("a", "b", "c"))      # scores[effect, cause]
graph.edges(top_k=10)                                   # [Edge(source="b", target="a", lag=1, score=0.53, sign=0)]
graph.to_csv("edges.csv", density=0.05)
"""

from __future__ import annotations

import csv
import io
import json
import math
import operator
import os
import secrets
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .errors import InputError

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    from matplotlib.figure import Figure

Array = NDArray[np.floating[Any]]
Indices = NDArray[np.intp]

_VERSION_KEY = "grngc_fast_graph"
_VERSION = 1


class Edge(NamedTuple):
    """One causal edge, `source` (the cause) to `target` (the effect).

    `lag` counts from 1, the most recent step: the lag of the largest lag score, 1 where lags are not resolved. `sign`
    is -1, 0 or +1, the direction of the influence, 0 where it is not known.
    """

    source: str
    target: str
    lag: int
    score: float
    sign: int


@dataclass(frozen=True, eq=False, repr=False)
class CausalGraph:
    """Causal scores between P series, oriented `[effect, cause]` throughout. Arrays are copied and read-only.

    Parameters
    ----------
    scores : (P, P) non-negative array, the mean absolute gradient of each effect by each cause.
    names : P distinct series names; default x0, x1, ...
    lag_scores : optional (P, P, L) non-negative array `[effect, cause, lag]`; lag index 0 is lag 1, the latest step.
    signed_scores : optional (P, P) array, the mean signed gradient; its sign is the sign of the influence.
    metadata : settings of the fit; JSON values (numpy numbers and arrays are turned into plain ones).

    Every export takes the same selection, at most one of `threshold`, `top_k`, `density`, and `diagonal`; see `edges`.

    Raises
    ------
    InputError : shapes that disagree, NaN or infinite or negative scores, duplicate or unusable names, metadata that is
        not JSON.

    Examples
    --------
    >>> graph = CausalGraph([[0.9, 0.5], [0.0, 0.8]], names=("rain", "river"))
    >>> graph.edges()
    [Edge(source='river', target='rain', lag=1, score=0.5, sign=0)]
    """

    scores: Array
    names: tuple[str, ...] = ()
    lag_scores: Array | None = None
    signed_scores: Array | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scores = _as_float("scores", self.scores)
        if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or not scores.size:
            raise InputError(f"scores has shape {scores.shape}; expected a square (P, P) array [effect, cause]")
        names = _as_names(self.names, len(scores))
        _check_values("scores", scores, names)
        lag_scores = signed_scores = None
        if self.lag_scores is not None:
            lag_scores = _as_float("lag_scores", self.lag_scores)
            if lag_scores.ndim != 3 or lag_scores.shape[:2] != scores.shape or not lag_scores.size:
                raise InputError(
                    f"lag_scores has shape {lag_scores.shape}; expected ({len(names)}, {len(names)}, L)"
                    " [effect, cause, lag] to go with the scores"
                )
            _check_values("lag_scores", lag_scores, names)
        if self.signed_scores is not None:
            signed_scores = _as_float("signed_scores", self.signed_scores)
            if signed_scores.shape != scores.shape:
                raise InputError(
                    f"signed_scores has shape {signed_scores.shape}; expected {scores.shape}, the shape of scores"
                )
            _check_values("signed_scores", signed_scores, names, signed=True)
        values = (scores, names, lag_scores, signed_scores, _as_json(self.metadata))
        for attribute, value in zip(
            ("scores", "names", "lag_scores", "signed_scores", "metadata"), values, strict=True
        ):
            object.__setattr__(self, attribute, value)

    @property
    def n_series(self) -> int:
        """P, the number of series."""
        return len(self.names)

    @property
    def n_lags(self) -> int:
        """L, the number of lags told apart; 1 without `lag_scores`."""
        return 1 if self.lag_scores is None else int(self.lag_scores.shape[2])

    def edges(
        self,
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> list[Edge]:
        """The selected edges, strongest first; equal scores in the order of effect, then cause.

        Parameters
        ----------
        threshold : keep scores strictly greater than this; not negative.
        top_k : keep the k strongest edges of the whole graph.
        density : keep the strongest fraction, in (0, 1], of the P*(P-1) possible edges (P*P with the diagonal), rounded
            to the nearest number of edges, at least one.
        diagonal : whether a series' influence on itself counts.

        With none of the three, every edge with a score. A score of exactly zero is never an edge, so `top_k` and
        `density` return fewer where fewer scores are above zero.

        Raises
        ------
        InputError : more than one of the three, or a value out of its range.
        """
        source, target, lag, score, sign = self._columns(threshold, top_k, density, diagonal)
        return list(map(Edge, source, target, lag.tolist(), score.tolist(), sign.tolist()))

    def adjacency(
        self,
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> NDArray[np.bool_]:
        """The selected edges as a (P, P) boolean array `[effect, cause]`; the selection is that of `edges`."""
        present = np.zeros(self.scores.shape, dtype=bool)
        present.flat[self._select(threshold, top_k, density, diagonal)] = True
        return present

    def to_pandas(
        self,
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> pd.DataFrame:
        """The selected edges as a DataFrame with the columns source, target, lag, score, sign. Needs pandas."""
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError('to_pandas needs pandas: pip install "grngc-fast[io]"') from error
        columns = self._columns(threshold, top_k, density, diagonal)
        return pd.DataFrame(dict(zip(Edge._fields, columns, strict=True)))

    def to_networkx(
        self,
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> nx.DiGraph:
        """A DiGraph of all series with the selected edges, cause to effect. Needs networkx.

        Edge attributes: score, lag, sign, and weight, which is the score again.
        """
        try:
            import networkx as nx
        except ImportError as error:
            raise ImportError('to_networkx needs networkx: pip install "grngc-fast[plot]"') from error
        graph = nx.DiGraph()
        graph.add_nodes_from(self.names)
        graph.add_edges_from(
            (e.source, e.target, {"score": e.score, "lag": e.lag, "sign": e.sign, "weight": e.score})
            for e in self.edges(threshold, top_k, density, diagonal)
        )
        return graph

    def to_scipy(
        self,
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> csr_array:
        """The scores of the selected edges as a (P, P) sparse array `[effect, cause]`."""
        chosen = self._select(threshold, top_k, density, diagonal)
        effect, cause = np.divmod(chosen, self.n_series)
        return csr_array((self.scores[effect, cause], (effect, cause)), shape=self.scores.shape)

    def to_csv(
        self,
        path: str | os.PathLike[str],
        threshold: float | None = None,
        top_k: int | None = None,
        density: float | None = None,
        diagonal: bool = False,
    ) -> None:
        """Write the selected edges as a UTF-8 CSV file with the header source,target,lag,score,sign.

        Raises
        ------
        InputError : the file cannot be written.
        """
        source, target, lag, score, sign = self._columns(threshold, top_k, density, diagonal)
        with _atomic_writer(path) as binary, io.TextIOWrapper(binary, encoding="utf-8", newline="") as text:
            writer = csv.writer(text)
            writer.writerow(Edge._fields)
            writer.writerows(zip(source, target, lag.tolist(), score.tolist(), sign.tolist(), strict=True))

    def plot(self, kind: Literal["scores", "lags", "summary"] = "scores", **options: Any) -> Figure:
        """Draw the graph and return the matplotlib Figure; `fig.savefig("graph.png")` writes it. Needs matplotlib.

        `kind` names a function of `grngc_fast.plotting` that takes the `options`: "scores" is `plot_scores`, "lags"
        is `plot_lags`, "summary" is `plot_graph_summary`.
        """
        from . import plotting

        draw: dict[str, Callable[..., Figure]] = {
            "scores": plotting.plot_scores,
            "lags": plotting.plot_lags,
            "summary": plotting.plot_graph_summary,
        }
        if kind not in draw:
            raise InputError(f"unknown plot kind {kind!r}; choose one of {', '.join(map(repr, draw))}")
        return draw[kind](self, **options)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph to `path` as an .npz file without pickle; an older file is replaced whole or not at all.

        Raises
        ------
        InputError : the file cannot be written.
        """
        arrays: dict[str, NDArray[Any]] = {
            _VERSION_KEY: np.array(_VERSION),
            "scores": self.scores,
            "names": np.array(self.names),
            "metadata": np.array(json.dumps(self.metadata)),
        }
        if self.lag_scores is not None:
            arrays["lag_scores"] = self.lag_scores
        if self.signed_scores is not None:
            arrays["signed_scores"] = self.signed_scores
        with _atomic_writer(path) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CausalGraph:
        """Read a graph that `save` wrote.

        Raises
        ------
        InputError : the file is missing, truncated, not a saved graph, or of a newer format.
        """
        name = os.fspath(path)
        try:
            with open(path, "rb") as file:
                loaded = np.load(file, allow_pickle=False)
                if not isinstance(loaded, np.lib.npyio.NpzFile) or _VERSION_KEY not in loaded:
                    raise InputError(f"{name!r} is not a saved CausalGraph; pass a file written by CausalGraph.save")
                with loaded:
                    version = int(loaded[_VERSION_KEY])
                    if version > _VERSION:
                        raise InputError(
                            f"{name!r} has graph format {version}, this grngc_fast reads up to {_VERSION};"
                            " upgrade grngc-fast to open it"
                        )
                    return cls(
                        loaded["scores"],
                        tuple(loaded["names"].tolist()),
                        loaded.get("lag_scores"),
                        loaded.get("signed_scores"),
                        json.loads(loaded["metadata"].item()),
                    )
        except InputError:
            raise
        except OSError as error:
            raise InputError(
                f"cannot read the graph file {name!r}: {error.strerror or error}; check the path"
            ) from error
        except (
            ValueError,
            TypeError,
            KeyError,
            EOFError,
            NotImplementedError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise InputError(
                f"{name!r} is not a whole saved CausalGraph ({error}): it is cut off, damaged or another kind of file;"
                " save the graph again"
            ) from error

    def __repr__(self) -> str:
        lags = "lags not resolved" if self.lag_scores is None else f"{self.n_lags} lag{'s' * (self.n_lags > 1)}"
        strongest = self.edges(top_k=5)
        head = f"CausalGraph({self.n_series} series, {lags}"
        if not strongest:
            return f"{head}, no edges)"
        lines = [f"  {e.source} -> {e.target} ({self._describe(e)})" for e in strongest]
        return "\n".join([f"{head}; strongest edges:", *lines]) + ")"

    def _describe(self, edge: Edge) -> str:
        lag = "" if self.lag_scores is None else f"lag {edge.lag}, "
        return f"{lag}{('', '+', '-')[edge.sign]}{edge.score:.3g}"

    def _select(
        self, threshold: float | None, top_k: int | None, density: float | None, diagonal: bool, ordered: bool = False
    ) -> Indices:
        """Flat indices `effect * P + cause` of the selected edges."""
        check_selection(threshold, top_k, density)
        values = self.scores.ravel()
        if not diagonal:
            values = values.copy()
            values[:: self.n_series + 1] = 0
        limit = top_k
        if density is not None:
            limit = max(1, round(density * self.n_series * (self.n_series - (not diagonal))))
        if limit is not None and limit < values.size:
            cutoff = np.partition(values, values.size - limit)[values.size - limit]
            chosen = np.flatnonzero(values > cutoff)
            if cutoff > 0:
                ties = np.flatnonzero(values == cutoff)[: limit - chosen.size]
                chosen = np.sort(np.concatenate([chosen, ties]))
        else:
            chosen = np.flatnonzero(values > (threshold or 0))
        return chosen[np.argsort(-values[chosen], kind="stable")] if ordered else chosen

    def _columns(
        self, threshold: float | None, top_k: int | None, density: float | None, diagonal: bool
    ) -> tuple[list[str], list[str], NDArray[np.int64], Array, NDArray[np.int64]]:
        """Source, target, lag, score and sign of the selected edges, strongest first."""
        chosen = self._select(threshold, top_k, density, diagonal, ordered=True)
        effect, cause = np.divmod(chosen, self.n_series)
        lag = np.ones(chosen.size, dtype=np.int64)
        sign = np.zeros(chosen.size, dtype=np.int64)
        if self.lag_scores is not None:
            lag += self.lag_scores[effect, cause].argmax(axis=1)
        if self.signed_scores is not None:
            sign = np.sign(self.signed_scores[effect, cause]).astype(np.int64)
        source, target = ([self.names[i] for i in side.tolist()] for side in (cause, effect))
        return source, target, lag, self.scores[effect, cause], sign


def check_selection(threshold: float | None = None, top_k: int | None = None, density: float | None = None) -> None:
    """Raise `InputError` unless at most one is given and it makes sense."""
    options = {"threshold": threshold, "top_k": top_k, "density": density}
    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise InputError(f"{' and '.join(given)} were given together; select the edges by one of them")
    if threshold is not None and not (_is_number(threshold) and 0 <= threshold < math.inf):
        raise InputError(f"threshold is {threshold!r}; scores are never negative: pass a finite number >= 0")
    if density is not None and not (_is_number(density) and 0 < density <= 1):
        raise InputError(f"density is {density!r}; pass a fraction of the possible edges, 0 < density <= 1")
    if top_k is not None and not (_is_integer(top_k) and top_k > 0):
        raise InputError(f"top_k is {top_k!r}; pass a whole number of edges, 1 or more")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)


def _as_float(what: str, value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        given = np.asarray(value)
        if given.dtype.kind not in "fiub":
            raise TypeError(f"its values have the type {given.dtype}")
        small = given.dtype in (np.float16, np.float32)
        array = np.array(given, dtype=np.float32 if small else np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} is not an array of real numbers ({error}); pass a float array") from error
    array.setflags(write=False)
    return array


def _as_names(names: Any, n_series: int) -> tuple[str, ...]:
    if names is None or (not isinstance(names, str) and len(names) == 0):
        return tuple(f"x{i}" for i in range(n_series))
    if isinstance(names, str):
        raise InputError(f"names is the single text {names!r}; pass a sequence of {n_series} names")
    texts = tuple(str(name) for name in names)
    if len(texts) != n_series:
        raise InputError(f"{len(texts)} names were given for {n_series} series; pass one name per row of scores")
    if len(set(texts)) < n_series:
        seen: set[str] = set()
        twice = next(name for name in texts if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise InputError(f"the series name {twice!r} is given more than once; make the names distinct")
    if any("\0" in name for name in texts):
        raise InputError("a series name holds the NUL character, which no file keeps; remove it")
    return texts


def _check_values(what: str, array: Array, names: tuple[str, ...], signed: bool = False) -> None:
    bad = ~np.isfinite(array) if signed else ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        where = np.unravel_index(int(bad.argmax()), array.shape)
        value = float(array[where])
        fix = "scores are absolute values: pass signed ones as signed_scores" if value < 0 else "drop or repair the fit"
        if not math.isfinite(value):
            fix = "a fit that diverged cannot be used: lower the learning rate or check the data"
        raise InputError(f"{what} holds {value:g} for effect {names[where[0]]!r}, cause {names[where[1]]!r}; {fix}")


def _as_json(metadata: Any) -> dict[str, Any]:
    """The metadata as JSON keeps them, so that a saved graph loads equal to the one in memory."""
    if not isinstance(metadata, dict):
        raise InputError(f"metadata is a {type(metadata).__name__}; pass a dict of settings")
    try:
        plain: dict[str, Any] = json.loads(json.dumps(metadata, default=_plain))
    except (TypeError, ValueError) as error:
        raise InputError(f"metadata cannot be kept as JSON ({error}); use text, numbers, lists and dicts") from error
    return plain


def _plain(value: object) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{value!r} is a {type(value).__name__}")


@contextmanager
def _atomic_writer(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` only once it is written whole."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            if not file.closed:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise InputError(
            f"cannot write {os.fspath(path)!r}: {error.strerror or error}; choose a file in a writable folder"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
