"""The DREAM readers: trajectories of 21 steps, gold networks as [effect, cause], both layouts of the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from grngc_fast.datasets import read_dream3, read_dream4
from grngc_fast.errors import InputError

DATA = Path(__file__).parents[2] / "shared" / "data"
NAMES = [f"G{i + 1}" for i in range(10)]
VALUES = np.round(np.random.default_rng(0).random((4, 21, 10)), 6)
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the collection of benchmark data is not beside this checkout"
)


def series_text(challenge: bool, steps: int = 21) -> str:
    """The challenge's layout (quoted header, Time, blank lines), or the genes alone."""
    if not challenge:
        rows = ["\t".join(map(str, row)) for row in VALUES[:, :steps].reshape(-1, 10).tolist()]
        return "\n".join(["\t".join(NAMES), *rows]) + "\n"
    blocks = [
        "\n".join("\t".join(map(str, [50.0 * t, *row])) for t, row in enumerate(block[:steps])) + "\n"
        for block in VALUES.tolist()
    ]
    return "\n".join(["\t".join(f'"{n}"' for n in ("Time", *NAMES)) + "\n", *blocks])


def gold_text(all_pairs: bool) -> str:
    edges = [("G1", "G2"), ("G1", "G10"), ("G7", "G3")]
    pairs = [(s, t) for s in NAMES for t in NAMES if s != t] if all_pairs else edges
    return "".join(f"{s}\t{t}\t{int((s, t) in edges)}\r\n" for s, t in pairs)


@pytest.mark.parametrize("challenge", [True, False])
@pytest.mark.parametrize("all_pairs", [True, False])
def test_both_layouts_give_trajectories_and_truth(tmp_path: Path, challenge: bool, all_pairs: bool) -> None:
    (tmp_path / "dream3_10_3.tsv").write_text(series_text(challenge))
    (tmp_path / "dream3_10_3_true.txt").write_bytes(gold_text(all_pairs).encode())
    (tmp_path / "insilico_size10_2_timeseries.tsv").write_text(series_text(challenge))
    (tmp_path / "DREAM4_GoldStandard_InSilico_Size10_2.tsv").write_bytes(gold_text(all_pairs).encode())
    for data in (read_dream3(tmp_path, 10, "Yeast2"), read_dream4(str(tmp_path), 10, 2)):
        assert_array_equal(data.trajectories, VALUES)
        assert data.names == tuple(NAMES)
        assert data.truth is not None
        # effects are targets: G2 and G10 of G1, G3 of G7
        assert np.argwhere(data.truth).tolist() == [[1, 0], [2, 6], [9, 0]]


@pytest.mark.parametrize("challenge", [True, False])
def test_trajectories_of_another_length_are_refused(tmp_path: Path, challenge: bool) -> None:
    (tmp_path / "dream3_10_0.tsv").write_text(series_text(challenge, steps=20))
    with pytest.raises(InputError, match=r"rows in a trajectory, which trajectory_length=21 does not divide"):
        read_dream3(tmp_path, 10, "Ecoli1")


def test_unknown_networks_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no networks of size 20; choose 10, 50 or 100"):
        read_dream3(tmp_path, 20, "Ecoli1")
    with pytest.raises(InputError, match="no network 'Ecoli3'; choose one of Ecoli1"):
        read_dream3(tmp_path, 10, "Ecoli3")
    with pytest.raises(InputError, match=r"dream3_10_1\.tsv does not exist"):
        read_dream3(tmp_path, 10, "Ecoli2")
    with pytest.raises(InputError, match="no networks of size 50; choose 10 or 100"):
        read_dream4(tmp_path, 50, 1)
    with pytest.raises(InputError, match="no network 6; choose 1 to 5"):
        read_dream4(tmp_path, 10, 6)
    (tmp_path / "insilico_size100_1_timeseries.tsv").write_text(series_text(False))
    with pytest.raises(InputError, match="has 10 genes; size 100 was asked for"):
        read_dream4(tmp_path, 100, 1)


@needs_data
@pytest.mark.parametrize(
    ("size", "network", "n_trajectories", "n_edges"),
    [(10, "Ecoli1", 4, 11), (10, "Yeast3", 4, 22), (100, "Yeast1", 46, 166)],
)
def test_published_dream3(size: int, network: str, n_trajectories: int, n_edges: int) -> None:
    data = read_dream3(DATA / "dream3", size, network)
    assert data.truth is not None
    assert [t.shape for t in data.trajectories] == [(21, size)] * n_trajectories
    assert data.truth.sum() == n_edges
    assert not data.truth.diagonal().any()


@needs_data
@pytest.mark.parametrize(("size", "n_trajectories", "n_edges"), [(10, 5, 15), (100, 10, 176)])
def test_published_dream4(size: int, n_trajectories: int, n_edges: int) -> None:
    data = read_dream4(DATA / "dream4", size, 1)
    assert data.truth is not None
    assert [t.shape for t in data.trajectories] == [(21, size)] * n_trajectories
    assert data.truth.sum() == n_edges


@needs_data
def test_published_orientation_is_target_by_source() -> None:
    dream3, dream4 = read_dream3(DATA / "dream3", 10, "Ecoli1"), read_dream4(DATA / "dream4", 10, 1)
    assert dream3.truth is not None
    assert dream4.truth is not None
    # the gold files begin with G2 -> G1 and with G1 -> G2
    assert dream3.truth[0, 1]
    assert not dream3.truth[1, 0]
    assert dream4.truth[1, 0]
    assert not dream4.truth[0, 1]
