"""Published data sets by name: what is read is what was written, and files that are something else are refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.io import savemat

from grngc_fast.cli import main
from grngc_fast.datasets import (
    Dataset,
    catalogue,
    load,
    read_causaltime,
    read_ecoli_stress,
    read_hela,
    read_irma,
    read_jrngc_var,
    read_netsim,
    read_netsim_subjects,
    read_sos,
    read_sru_lorenz96,
    read_yeast_cell_cycle,
    read_yeast_ddgni,
)
from grngc_fast.datasets.genes import IRMA_GENES, SOS_GENES
from grngc_fast.errors import DataWarning, InputError
from grngc_fast.series import as_series_table

RNG = np.random.default_rng(0)
NAMES = [data.name for data in catalogue()]
# Those that the benchmark data have.
HELD = [
    *(f"dream3-10-{network}" for network in ("ecoli1", "ecoli2", "yeast1", "yeast2", "yeast3")),
    *(
        "dream3-100-ecoli1",
        "dream3-100-yeast1",
        *(f"dream4-10-{k}" for k in range(1, 6)),
        "dream4-100-1",
        "dream4-100-2",
    ),
    *("netsim-1", "netsim-3", "causaltime-traffic", "sos", "irma-on", "irma-off", "yeast-ddgni", "yeast-cell-cycle"),
    *("ecoli-cold", "ecoli-heat", "hela", "lorenz96-f10", "lorenz96-f40", "var-10", "var-100"),
]


# Sets written here are smaller than the published ones.
SMALLER = pytest.mark.filterwarnings("ignore:.*published are:grngc_fast.errors.DataWarning")


def edges_of(data: Dataset) -> list[tuple[str, str]]:
    """(source, target) by name."""
    assert data.truth is not None
    return sorted((data.names[cause], data.names[effect]) for effect, cause in np.argwhere(data.truth))


def write_netsim(folder: Path, *, simulation: int = 1, **other: object) -> dict[str, np.ndarray]:
    """3 subjects of 20 steps and 5 nodes; node1 -> node2, node2 -> node5 as net[source, target]."""
    net = np.tile(-np.eye(5), (3, 1, 1))
    net[:, 0, 1] = net[:, 1, 4] = 0.4
    counts = {"Nnodes": np.uint8(5), "Nsubjects": np.uint8(3), "Ntimepoints": np.uint8(20)}
    held = {"ts": RNG.standard_normal((60, 5)), "net": net, **counts, **other}
    savemat(folder / f"sim{simulation}.mat", {name: value for name, value in held.items() if value is not None})
    return held


@SMALLER
def test_netsim_subjects_are_trajectories_and_rows_are_sources(tmp_path):
    held = write_netsim(tmp_path)
    data = read_netsim(tmp_path, 1)
    assert_array_equal(np.concatenate(data.trajectories), held["ts"])
    assert [t.shape for t in data.trajectories] == [(20, 5)] * 3
    assert data.names == ("node1", "node2", "node3", "node4", "node5")
    assert [edge for edge in edges_of(data) if edge[0] != edge[1]] == [("node1", "node2"), ("node2", "node5")]
    assert data.truth.diagonal().all()
    turned = read_netsim(tmp_path / "sim1.mat", 1, direction="target-source")
    assert_array_equal(turned.truth, data.truth.T)
    one = load("netsim-1", tmp_path, subject=3)
    assert_array_equal(one.trajectories, [held["ts"][40:]])
    each = read_netsim_subjects(tmp_path, 1)
    assert len(each) == 3
    assert_array_equal(each[2].trajectories, one.trajectories)
    assert each[2].name == one.name != each[0].name


def test_netsim_subjects_with_networks_of_their_own(tmp_path):
    held = write_netsim(tmp_path)
    net = held["net"].copy()
    net[1, 3, 0] = 0.2
    write_netsim(tmp_path, net=net)
    with pytest.raises(InputError, match="subject 2 has another network than subject 1"):
        read_netsim(tmp_path, 1)
    assert ("node4", "node1") in edges_of(read_netsim(tmp_path, 1, subject=2))
    assert ("node4", "node1") not in edges_of(read_netsim_subjects(tmp_path, 1)[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"ts": RNG.standard_normal((59, 5))},
            r"'ts' has shape \(59, 5\).*\(60, 5\); every subject needs as many steps",
        ),
        ({"net": np.zeros((3, 5, 4))}, r"'net' has shape \(3, 5, 4\)"),
        ({"Nnodes": np.uint8(6)}, "has 6 nodes and NetSim 1 5"),
        ({"net": None}, "has no array 'net', but ts, Nnodes"),
        ({"ts": np.full((60, 5), np.nan)}, "'ts' is no array of finite real numbers"),
        ({"ts": "words"}, "'ts' is no array of finite real numbers"),
    ],
)
def test_netsim_files_that_disagree_with_themselves(tmp_path, change, message):
    write_netsim(tmp_path, **change)
    with pytest.raises(InputError, match=message):
        read_netsim(tmp_path, 1)


def test_netsim_options_out_of_range(tmp_path):
    write_netsim(tmp_path)
    for options, message in (
        ({"subject": 0}, "subject is 0; .* has subjects 1 to 3"),
        ({"subject": 4}, "subject is 4"),
        ({"direction": "rows"}, "direction is 'rows'; choose one of 'source-target'"),
    ):
        with pytest.raises(InputError, match=message):
            read_netsim(tmp_path, 1, **options)
    with pytest.raises(InputError, match="no simulation 29"):
        read_netsim(tmp_path, 29)


@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"MATLAB 5.0 MAT-file", b"\x00" * 300])
def test_files_that_are_no_matlab_files(tmp_path, content):
    (tmp_path / "sim1.mat").write_bytes(content)
    with pytest.raises(InputError, match=r"sim1\.mat (is not a MATLAB file|has no array)"):
        read_netsim(tmp_path, 1)


def test_a_matlab_file_cut_short_and_one_of_version_7_3(tmp_path):
    write_netsim(tmp_path)
    whole = (tmp_path / "sim1.mat").read_bytes()
    (tmp_path / "sim1.mat").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"sim1\.mat is not a MATLAB file, or is cut short"):
        read_netsim(tmp_path, 1)
    header = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (tmp_path / "sim1.mat").write_bytes(header + b"\x89HDF" * 50)
    with pytest.raises(InputError, match=r"is of MATLAB 7\.3, which is HDF5"):
        read_netsim(tmp_path, 1)


def write_causaltime(
    folder: Path, *, shape: tuple[int, ...] = (3, 40, 40), graph: np.ndarray | None = None
) -> np.ndarray:
    folder.mkdir(exist_ok=True)
    series = RNG.random(shape, dtype=np.float32)
    np.save(folder / "gen_data.npy", series)
    if graph is None:
        graph = np.eye(20)
        graph[4, 7] = 1
    np.save(folder / "graph.npy", graph)
    return series


@SMALLER
def test_causaltime_samples_stay_apart_and_only_observed_series_are_read(tmp_path):
    series = write_causaltime(tmp_path / "traffic")
    write_causaltime(tmp_path / "medical", graph=np.eye(20))
    for place in (tmp_path, tmp_path / "traffic"):
        data = read_causaltime(place, "traffic")
        assert_array_equal(data.trajectories, series[..., :20])
        assert data.truth[4, 7] and not data.truth[7, 4]
    assert not load("causaltime-medical", tmp_path).truth[4, 7]
    with pytest.raises(InputError, match=r"gen_data\.npy is of medical; give the folder of traffic"):
        read_causaltime(tmp_path / "medical", "traffic")
    with pytest.raises(InputError, match="no network 'aqi'; choose one of pm25"):
        read_causaltime(tmp_path, "aqi")


def test_causaltime_arrays_of_other_shapes(tmp_path):
    folder = tmp_path / "own"
    write_causaltime(folder, shape=(3, 40, 38))
    with pytest.raises(InputError, match=r"gen_data\.npy has shape \(3, 40, 38\); traffic needs \(samples, 40, 40\)"):
        read_causaltime(folder, "traffic")
    write_causaltime(folder, graph=np.full((20, 20), 0.5))
    with pytest.raises(InputError, match=r"graph\.npy has shape \(20, 20\); traffic needs \(20, 20\) values 0 and 1"):
        read_causaltime(folder, "traffic")
    with pytest.raises(InputError, match=r"graph\.npy has shape \(20, 20\); pm25 needs \(36, 36\)"):
        read_causaltime(folder, "pm25")
    (folder / "graph.npy").unlink()
    with pytest.raises(InputError, match=r"graph\.npy does not exist"):
        read_causaltime(folder, "traffic")


def write_gold(path: Path, edges: list[tuple[str, str]]) -> None:
    path.write_text("".join(f"{source}\t{target}\t1\n" for source, target in edges))


def test_sos_experiments_are_trajectories_with_names(tmp_path):
    activity = RNG.random((4, 8, 50))
    savemat(tmp_path / "data_samples_SOS.mat", {"sosPromoterAct": activity})
    write_gold(tmp_path / "SOS_gold_edges.tsv", [("lexA", "uvrD"), ("recA", "lexA")])
    data = read_sos(tmp_path)
    assert_array_equal(data.trajectories, activity.swapaxes(1, 2))
    assert data.names == SOS_GENES
    assert edges_of(data) == [("lexA", "uvrD"), ("recA", "lexA")]
    assert [file.name for file in data.files] == ["data_samples_SOS.mat", "SOS_gold_edges.tsv"]
    write_gold(tmp_path / "SOS_gold_edges.tsv", [("lexA", "sulA")])
    with pytest.raises(InputError, match=r"SOS_gold_edges\.tsv names 1 series that the table does not have: 'sulA'"):
        read_sos(tmp_path)
    savemat(tmp_path / "data_samples_SOS.mat", {"sosPromoterAct": activity.swapaxes(1, 2)})
    with pytest.raises(InputError, match=r"has shape \(4, 50, 8\); expected \(experiments, 8 genes, times\)"):
        read_sos(tmp_path)


@SMALLER
def test_irma_has_trajectories_of_their_own_lengths(tmp_path):
    on = {f"a{k + 1}": RNG.random((10 + k, 5)) for k in range(5)}
    off = {f"b{k + 1}": RNG.random((19 + k, 5)) for k in range(4)}
    savemat(tmp_path / "data_samples_irma_SOnDct.mat", on)
    savemat(tmp_path / "data_samples_irma_SOffDct.mat", off)
    write_gold(tmp_path / "IRMA_gold_edges.tsv", [("SWI5", "CBF1"), ("CBF1", "GAL4")])
    for switch, held in (("on", on), ("off", off)):
        data = load(f"irma-{switch}", tmp_path)
        assert data.names == IRMA_GENES
        assert len(data.trajectories) == len(held)
        for trajectory, own in zip(data.trajectories, held.values(), strict=True):
            assert_array_equal(trajectory, own)
        assert edges_of(data) == [("CBF1", "GAL4"), ("SWI5", "CBF1")]
    with pytest.raises(InputError, match="switch is 'up'; choose 'on' or 'off'"):
        read_irma(tmp_path, "up")
    savemat(tmp_path / "data_samples_irma_SOnDct.mat", on | {"a3": RNG.random((12, 4))})
    with pytest.raises(InputError, match=r"'a3' has shape \(12, 4\); expected \(times, 5 genes\)"):
        read_irma(tmp_path, "on")


def test_rows_of_two_yeast_cultures_alternate(tmp_path):
    rows = np.round(RNG.random((6, 3)), 6)
    text = "\n".join("\t".join(map(str, row)) for row in (["ACE2", "SWI5", "YHP1"], *rows.tolist()))
    (tmp_path / "DDGni_Yeast.txt").write_text(text + "\n")
    (tmp_path / "DDGni_Yeast_network.txt").write_text("ACE2\tSWI5\t1\nSWI5\tACE2\t0\n")
    data = read_yeast_ddgni(tmp_path)
    assert_array_equal(data.trajectories, [rows[::2], rows[1::2]])
    assert edges_of(data) == [("ACE2", "SWI5")]
    (tmp_path / "DDGni_Yeast.txt").write_text(text + "\n1\t2\t3\n")
    with pytest.raises(InputError, match="has 7 rows; those of 2 cultures alternate"):
        read_yeast_ddgni(tmp_path)
    (tmp_path / "DDGni_Yeast.txt").write_text(text + "\n1\ttwo\t3\n")
    with pytest.raises(InputError, match=r"DDGni_Yeast\.txt, line 8: .*'two'"):
        read_yeast_ddgni(tmp_path)


def test_yeast_cell_cycle_leaves_out_what_never_changes_and_knows_its_regulators(tmp_path):
    head = "ORF_norm\tsymbol\t0\t5\t10"
    genes = [
        "YAL001C\tTFC3\t1.5\t2.5\t1.0",
        "YBR010W\tHHT1\t1\t1\t1",
        "YCR012W\tPGK1\t3\t1\t2",
        "YDL001W\tRMD1\t0\t2\t1",
    ]
    (tmp_path / "derived_Scer_RNAseq_balaji_nodes_ORF.tsv").write_text("\n".join([head, *genes]) + "\n")
    gold = tmp_path / "derived_balaji_edges_norm.tsv"
    gold.write_text("source\ttarget\nYAL001C\tYCR012W\nYBR010W\tYDL001W\nYAL001C\tYDL001W\n")
    data = read_yeast_cell_cycle(tmp_path)
    assert data.names == ("YAL001C", "YCR012W", "YDL001W")
    assert_array_equal(data.trajectories, [np.array([[1.5, 3, 0], [2.5, 1, 2], [1, 2, 1]])])
    assert edges_of(data) == [("YAL001C", "YCR012W"), ("YAL001C", "YDL001W")]
    assert data.regulators == ("YAL001C",)
    gold.write_text(gold.read_text() + "YAL001C\tYZZ999W\n")
    with pytest.raises(InputError, match="series that the table does not have: 'YZZ999W'"):
        read_yeast_cell_cycle(tmp_path)


@SMALLER
def test_replicates_of_ecoli_are_trajectories(tmp_path):
    values = np.round(RNG.random((24, 4)), 6)
    rows = ["\t".join(map(str, row)) for row in (["crp", "fhla", "nana", "tdcc"], *values.tolist())]
    (tmp_path / "heat_time_3_replice.tsv").write_text("\n".join(rows) + "\n")
    write_gold(tmp_path / "integrated_gold_network.txt", [("crp", "nana"), ("crp", "tdcc"), ("fhla", "crp")])
    data = load("ecoli-heat", tmp_path)
    assert_array_equal(data.trajectories, values.reshape(3, 8, 4))
    assert data.regulators == ("crp", "fhla")
    assert ("crp", "tdcc") in edges_of(data)
    with pytest.raises(InputError, match=r"cold_time_3_replice\.tsv does not exist"):
        load("ecoli-cold", tmp_path)
    with pytest.raises(InputError, match="stress is 'acid'"):
        read_ecoli_stress(tmp_path, "acid")
    (tmp_path / "heat_time_3_replice.tsv").write_text("\n".join(rows[:-1]) + "\n")
    with pytest.raises(InputError, match="trajectory_length=8 does not divide"):
        load("ecoli-heat", tmp_path)


def test_names_that_stand_twice_in_hela_get_a_number(tmp_path):
    file = tmp_path / "Hela_CellCycle_RNAseq.tsv"
    file.write_text("time_points\t1\t2\t3\nJPH1\t1\t2\t3\nCKS1B\t4\t5\t6\nCKS1B\t7\t9\t8\n")
    data = read_hela(file)
    assert data.names == ("JPH1", "CKS1B", "CKS1B.2")
    assert_array_equal(data.trajectories, [np.array([[1, 4, 7], [2, 5, 9], [3, 6, 8]])])
    assert data.truth is None
    assert "1 series got a number, having the name of one before them" in data.table.reading.notes
    file.write_text("time_points\t1\t2\t3\nJPH1\t1\t2\t3\nCKS1B\t4\t4\t4\n")
    with pytest.raises(InputError, match=r"Hela_CellCycle_RNAseq\.tsv: constant series: 'CKS1B'"):
        read_hela(file)


@SMALLER
def test_simulated_sets_are_turned_to_steps_in_rows_and_lag_one_first(tmp_path):
    x, gref = RNG.standard_normal((10, 500)), np.eye(10, k=1, dtype=int)
    np.savez(tmp_path / "F_40_T_500_dataset_2.npz", X_np=x, Gref=gref, F=40)
    data = load("lorenz96-f40", tmp_path, replicate=2)
    assert_array_equal(data.trajectories, [x.T])
    assert_array_equal(data.truth, gref != 0)
    np.savez(tmp_path / "F_40_T_500_dataset_2.npz", X_np=x, Gref=gref, F=10)
    with pytest.raises(InputError, match=r"'F' is 10; expected .* 40"):
        read_sru_lorenz96(tmp_path, 40, replicate=2)
    np.savez(tmp_path / "F_40_T_500_dataset_2.npz", X_np=x)
    with pytest.raises(InputError, match="has no array 'F', but X_np"):
        read_sru_lorenz96(tmp_path, 40, replicate=2)
    with pytest.raises(InputError, match="there is no F=20"):
        read_sru_lorenz96(tmp_path, 20)

    (tmp_path / "p10").mkdir()
    x, gc = RNG.standard_normal((10, 30)), np.zeros((10, 10, 3), dtype=np.int32)
    gc[4, 2, 2] = 1
    np.save(tmp_path / "p10" / "_x.npy", x)
    np.save(tmp_path / "p10" / "_gc.npy", gc)
    data = load("var-10", tmp_path)
    assert_array_equal(data.trajectories, [x.T])
    assert np.argwhere(data.truth).tolist() == [[4, 2, 0]]
    np.save(tmp_path / "p10" / "_gc.npy", gc[..., :2])
    with pytest.raises(InputError, match=r"_gc\.npy has shape \(10, 10, 2\); expected \(10, 10, 3\)"):
        load("var-10", tmp_path)
    np.save(tmp_path / "p10" / "_x.npy", x.T)
    with pytest.raises(InputError, match=r"_x\.npy has shape \(30, 10\); expected \(10, time steps\)"):
        load("var-10", tmp_path)
    with pytest.raises(InputError, match="no autoregression of 20 series"):
        read_jrngc_var(tmp_path, 20)


@SMALLER
def test_files_are_found_in_the_folder_or_below_and_never_guessed(tmp_path):
    deep = tmp_path / "gene" / "own"
    deep.mkdir(parents=True)
    savemat(deep / "data_samples_SOS.mat", {"sosPromoterAct": RNG.random((2, 8, 5))})
    write_gold(deep / "SOS_gold_edges.tsv", [("lexA", "recA")])
    for place in (deep / "data_samples_SOS.mat", deep, deep.parent, tmp_path):
        assert load("SOS", place).table.n_steps == 10
    with pytest.raises(InputError, match=r"SOS_gold_edges\.tsv is not data_samples_SOS\.mat; give that file"):
        load("sos", deep / "SOS_gold_edges.tsv")
    with pytest.raises(InputError, match="nowhere does not exist"):
        load("sos", tmp_path / "nowhere")
    shutil.copytree(deep, tmp_path / "gene" / "other")
    with pytest.raises(InputError, match=r"holds several: .*other.* and .*own"):
        load("sos", tmp_path)
    assert load("sos", deep).table.n_steps == 10


@SMALLER
def test_the_challenges_own_names_of_dream3(tmp_path):
    rows = RNG.random((42, 10)).tolist()
    text = "\n".join("\t".join(map(str, row)) for row in ([f"G{k + 1}" for k in range(10)], *rows))
    (tmp_path / "InSilicoSize10-Yeast2-trajectories.tsv").write_text(text + "\n")
    gold = tmp_path / "gold"
    gold.mkdir()
    write_gold(gold / "DREAM3GoldStandard_InSilicoSize10_Yeast2.txt", [("G1", "G2")])
    data = load("dream3-10-yeast2", tmp_path)
    assert [t.shape for t in data.trajectories] == [(21, 10)] * 2
    assert edges_of(data) == [("G1", "G2")]


def test_unknown_names_and_options(tmp_path):
    with pytest.raises(InputError, match=r"no data set 'dream4-101-1'; did you mean .*'dream4-10-1'"):
        load("dream4-101-1", tmp_path)
    with pytest.raises(InputError, match="no data set 'zzzz'; `grngc-fast datasets` lists them"):
        load("zzzz", tmp_path)
    with pytest.raises(InputError, match="netsim-3 has no option 'subjects'; it takes subject and direction"):
        load("netsim-3", tmp_path, subjects=3)
    with pytest.raises(InputError, match="sos has no option 'size'; it takes none"):
        load("sos", tmp_path, size=3)


def test_names_are_distinct_and_every_set_is_documented():
    assert len(set(NAMES)) == len(NAMES) > 60
    assert all(name == name.lower() for name in NAMES)
    families = ("dream3", "dream4", "netsim", "causaltime", "sos", "irma-on", "yeast-ddgni", "hela", "lorenz96", "var")
    assert load.__doc__ is not None
    assert all(family in load.__doc__ for family in families)


def test_regulators_are_series_of_the_set():
    table = as_series_table(RNG.random((5, 2)), ["a", "b"])
    with pytest.raises(InputError, match="'c', a regulator of it, is none of its 2 series"):
        Dataset(table, None, "it", regulators=("a", "c"))


@pytest.mark.parametrize("name", HELD)
def test_published_files_are_as_the_list_says(shared_data, name):
    known = next(known for known in catalogue() if known.name == name)
    data = load(name, shared_data)
    found = data.table.n_series, len(data.trajectories), data.table.n_steps
    assert found == (known.n_series, known.n_trajectories, known.n_steps)
    if known.n_edges is None:
        assert data.truth is None
    else:
        truth = data.truth.any(-1) if data.truth.ndim == 3 else data.truth
        assert truth.sum() - truth.diagonal().sum() == known.n_edges


def test_a_file_cut_off_at_the_end_of_a_line_is_told_of(shared_data, tmp_path):
    names = "dream3_10_0.tsv", "dream3_10_0_true.txt"
    for name in names:
        shutil.copy(shared_data / "dream3" / name, tmp_path)
    gold = tmp_path / names[1]
    lines = gold.read_text().splitlines(keepends=True)
    gold.write_text("".join(lines[:5]))
    with pytest.warns(
        DataWarning, match=r"dream3-10-ecoli1 has 5 true edges, published are 11: .*dream3_10_0_true\.txt"
    ):
        load("dream3-10-ecoli1", tmp_path)
    gold.write_text("".join(lines[:5]) + lines[5].rpartition("\t")[0])
    with pytest.raises(InputError, match="line 6: 2 cells where the lines before have 3"):
        load("dream3-10-ecoli1", tmp_path)


def test_counts_of_a_part_that_was_asked_for_are_not_compared(shared_data):
    assert load("netsim-1", shared_data, subject=7).table.n_steps == 200


def test_published_orientation_of_gene_sets(shared_data):
    sos, irma = load("sos", shared_data), load("irma-off", shared_data)
    assert ("recA", "lexA") in edges_of(sos) and ("uvrD", "lexA") not in edges_of(sos)
    assert ("SWI5", "CBF1") in edges_of(irma) and ("CBF1", "SWI5") not in edges_of(irma)
    for name, count in (("yeast-cell-cycle", 152), ("ecoli-cold", 163)):
        data = load(name, shared_data)
        assert len(data.regulators) == count
        causes = data.truth.any(0)
        assert {data.names[k] for k in np.flatnonzero(causes)} == set(data.regulators)


QUICK = ["--quiet", "--max-steps", "20", "--hidden", "4", "--seed", "0"]


@pytest.fixture
def stress(tmp_path):
    values = np.round(RNG.random((24, 4)), 6)
    rows = ["\t".join(map(str, row)) for row in (["crp", "fhla", "nana", "tdcc"], *values.tolist())]
    (tmp_path / "cold_time_3_replice.tsv").write_text("\n".join(rows) + "\n")
    write_gold(tmp_path / "integrated_gold_network.txt", [("crp", "nana"), ("fhla", "crp")])
    return tmp_path


@SMALLER
def test_fit_by_name_evaluates_and_keeps_regulators_and_files(stress, capsys):
    assert main(["fit", "--dataset", "ecoli-cold", str(stress), "--out", str(stress / "out"), *QUICK]) == 0
    printed = capsys.readouterr().out
    assert "E. coli under cold: 4 series, 24 steps, 3 trajectories, 2 regulators as causes" in printed
    assert "2 true edges of 6" in printed
    record = json.loads((stress / "out" / "run.json").read_text())
    assert record["data"]["dataset"] == "ecoli-cold"
    assert {Path(file).name for file in record["data"]["files"]} == {
        "cold_time_3_replice.tsv",
        "integrated_gold_network.txt",
    }
    lines = (stress / "out" / "edges.csv").read_text().splitlines()
    assert lines[0] == "source,target,lag,score,sign,gradient"
    assert {line.split(",")[0] for line in lines[1:]} == {"crp", "fhla"}


@SMALLER
def test_regulators_and_truth_given_go_before_those_of_the_set(stress, capsys):
    write_gold(stress / "own.tsv", [("nana", "crp")])
    words = ["--regulators", "nana,tdcc", "--truth", str(stress / "own.tsv"), "--out", str(stress / "out"), *QUICK]
    assert main(["fit", "--dataset", "ecoli-cold", str(stress), *words]) == 0
    assert "1 true edges of 6" in capsys.readouterr().out
    assert json.loads((stress / "out" / "run.json").read_text())["regulators"] == 2


@SMALLER
def test_inspect_and_path_by_name(stress, capsys):
    assert main(["inspect", "--dataset", "ecoli-cold", str(stress)]) == 0
    printed = capsys.readouterr().out
    assert "3 pieces of 8" in printed
    assert f"grngc-fast fit --dataset ecoli-cold {stress} --out ecoli-cold-graph" in printed
    words = [
        "--out",
        str(stress / "path"),
        "--lams",
        "0.1",
        "1",
        "--max-steps",
        "20",
        "--quiet",
        "--hidden",
        "4",
        "--no-own-past",
    ]
    assert main(["path", "--dataset", "ecoli-cold", str(stress), *words]) == 0
    assert "2 true edges of 6" in capsys.readouterr().out


@SMALLER
def test_options_of_a_set_on_the_command_line(tmp_path, capsys):
    write_netsim(tmp_path)
    option = ["--dataset-option", "subject=2", "--dataset-option", "direction=target-source"]
    assert main(["fit", "--dataset", "netsim-1", str(tmp_path), *option, "--out", str(tmp_path / "out"), *QUICK]) == 0
    assert "NetSim 1 subject 2: 5 series, 20 steps" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["data"]["dataset_options"] == {"subject": 2, "direction": "target-source"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset", "sos", "--transpose"], "--transpose is of tables; how sos is read is known"),
        (["--dataset", "sos"], "data_samples_SOS.mat does not exist"),
        (["--dataset", "nets"], "there is no data set 'nets'"),
        (["--dataset-option", "subject=1"], "--dataset-option is of a published data set"),
    ],
)
def test_words_that_do_not_fit_a_set(tmp_path, capsys, words, message):
    assert main(["fit", str(tmp_path), "--out", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err


def test_the_list_tells_names_sizes_and_origins(capsys):
    assert main(["datasets"]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n{data.name} " in printed and data.origin in printed for data in catalogue())
    assert main(["datasets", "yeast1"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:-1]
    assert [row.split()[:5] for row in rows] == [
        ["dream3-10-yeast1", "10", "84", "4", "10"],
        ["dream3-50-yeast1", "50", "483", "23", "77"],
        ["dream3-100-yeast1", "100", "966", "46", "166"],
    ]
    assert main(["datasets", "nothing"]) == 2
    assert "no data set is called or described by 'nothing'" in capsys.readouterr().err
