"""Series to learn from: simulators with a known truth, and readers of files. Truths are [effect, cause(, lag)]."""

from __future__ import annotations

from .causaltime import read_causaltime
from .dataset import Dataset
from .dream import read_dream3, read_dream4
from .families import FUNCTIONS, additive, gate, product
from .gene_network import gene_network
from .genes import read_ecoli_stress, read_hela, read_irma, read_sos, read_yeast_cell_cycle, read_yeast_ddgni
from .lorenz96 import lorenz96
from .named import NamedDataset, catalogue, load
from .names import read_names
from .netsim import read_netsim, read_netsim_subjects
from .simulated import read_jrngc_var, read_sru_lorenz96
from .table import read_table
from .truth import read_truth
from .var import var

__all__ = [
    "FUNCTIONS",
    "Dataset",
    "NamedDataset",
    "additive",
    "catalogue",
    "gate",
    "gene_network",
    "load",
    "lorenz96",
    "product",
    "read_causaltime",
    "read_dream3",
    "read_dream4",
    "read_ecoli_stress",
    "read_hela",
    "read_irma",
    "read_jrngc_var",
    "read_names",
    "read_netsim",
    "read_netsim_subjects",
    "read_sos",
    "read_sru_lorenz96",
    "read_table",
    "read_truth",
    "read_yeast_cell_cycle",
    "read_yeast_ddgni",
    "var",
]
