"""Figures of others that ours are shown beside: AUROC and AUPRC as their sources give them, and what was picked on the truth."""

from __future__ import annotations

from dataclasses import dataclass

GRNGC = "arXiv 2507.11178"
JRNGC = "arXiv 2405.08779"
GVAR = "arXiv 2101.07600"
CUTS = "arXiv 2305.05890"
CODE = "github.com/MeiliangLiu/GCD, run as it is"
RERUN = "github.com/MeiliangLiu/GCD and github.com/ElleZWQ/JRNGC, the better of both"
NO_DIAGONAL = "trajectories joined, self-influence not counted"
DIAGONAL = "self-influence counted"


@dataclass(frozen=True)
class Published:
    """A figure.

    Attributes
    ----------
    title : of the set, as in rows.
    method : in the source's words.
    auroc, auprc : None where the source has none.
    source : a paper or a repository.
    protocol : how it was scored.
    oracle : the epoch or the settings were picked by the score against the truth.
    """

    title: str
    method: str
    auroc: float | None
    auprc: float | None
    source: str
    protocol: str
    oracle: bool


def _dream3() -> list[Published]:
    found = {
        "Ecoli1": (0.734, 0.052),
        "Ecoli2": (0.678, 0.061),
        "Yeast1": (0.675, 0.053),
        "Yeast2": (0.597, 0.070),
        "Yeast3": (0.574, 0.083),
    }
    return [
        Published(f"DREAM3 size 100 {name}", "official KAN or JRNGC", *figures, RERUN, NO_DIAGONAL, True)
        for name, figures in found.items()
    ]


def _dream4() -> list[Published]:
    best = ((0.802, 0.295), (0.726, 0.156), (0.698, 0.207), (0.702, 0.167), (0.725, 0.162))
    last = (0.684, 0.674, 0.621, 0.600, 0.600)
    of_paper = [
        Published(f"DREAM4 size 100 net {k}", "GN-GC", *figures, "the paper of GN-GC", NO_DIAGONAL, True)
        for k, figures in enumerate(best, 1)
    ]
    of_code = [
        Published(f"DREAM4 size 100 net {k}", "official KAN, last epoch", auroc, None, CODE, NO_DIAGONAL, False)
        for k, auroc in enumerate(last, 1)
    ]
    own = Published("DREAM4 size 100 net 1", "GRNGC", 0.782, 0.123, GRNGC, NO_DIAGONAL, True)
    return [*of_paper, own, *of_code]


# The best of a set first.
LITERATURE: tuple[Published, ...] = (
    Published("Lorenz-96 P=20 F=10", "GVAR", 1.0, 1.0, GVAR, DIAGONAL, True),
    Published("Lorenz-96 P=20 F=40", "cMLP", 0.997, 0.983, GVAR, DIAGONAL, True),
    Published("Lorenz-96 P=20 F=40", "GVAR", 0.983, 0.945, GVAR, DIAGONAL, True),
    Published("Lorenz-96 P=20 F=40", "eSRU", 0.963, 0.869, GVAR, DIAGONAL, True),
    Published("Lorenz-96 P=100 F=20", "official KAN, last epoch", 1.0, None, CODE, DIAGONAL, False),
    Published("Lorenz-96 P=100 F=20", "official MLP, last epoch", 0.9995, None, CODE, DIAGONAL, False),
    Published("Lorenz-96 P=100 F=40", "official KAN, last epoch", 0.9927, None, CODE, DIAGONAL, False),
    Published("Lorenz-96 P=100 F=40", "official MLP, last epoch", 0.9721, None, CODE, DIAGONAL, False),
    Published("VAR P=100", "JRNGC", 0.997, None, JRNGC, "self-influence not counted", False),
    *_dream3(),
    *_dream4(),
    Published("NetSim 3 by subject", "DyCausal", 0.939, None, "the paper of DyCausal", DIAGONAL, False),
    Published("NetSim 3 by subject", "JRNGC", 0.898, None, JRNGC, DIAGONAL, False),
    Published("causaltime-traffic", "GN-GC", 0.763, None, "the paper of GN-GC", DIAGONAL, True),
    Published("causaltime-traffic", "CUTS+", None, 0.637, CUTS, DIAGONAL, False),
    Published("causaltime-traffic", "JRNGC", 0.729, 0.594, JRNGC, DIAGONAL, False),
    Published("causaltime-medical", "GN-GC", 0.936, 0.934, "the paper of GN-GC", DIAGONAL, True),
    Published("causaltime-medical", "JRNGC", 0.754, 0.726, JRNGC, DIAGONAL, False),
)


def of_set(title: str) -> list[Published]:
    return [one for one in LITERATURE if one.title == title]
