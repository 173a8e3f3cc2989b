"""--significance and --stability: what they find of a fit, in sentences, in run.json and as pictures."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataWarning, InputError
from ..estimator import GRNGC
from ..graph import check_rate
from ..series import SeriesTable
from ..significance import Significance, Stability
from ..significance.drawing import HALF

SIGNIFICANCE_PICTURE, STABILITY_PICTURE = "significance.png", "stability.png"


def check_trust(args: argparse.Namespace) -> None:
    """`InputError` for a rate or a number of draws that is none; asked before any work is done."""
    if args.significance is not None:
        check_rate(args.significance, "--significance")
    if args.stability is not None and args.stability < 2:
        raise InputError(f"--stability {args.stability}; one draw tells nothing of stability: name 2 or more")


def trust_pictures(args: argparse.Namespace) -> tuple[str, ...]:
    """Files of what was asked for."""
    asked = (args.significance is not None, SIGNIFICANCE_PICTURE), (args.stability is not None, STABILITY_PICTURE)
    return tuple(name for wanted, name in asked if wanted)


@dataclass(frozen=True)
class Trust:
    """Of the edges of a fit.

    Attributes
    ----------
    rate : false discovery rate that was asked for. tested : None where it was not, or could not be. refused : why not.
    repeated : None unless it was asked for.
    """

    rate: float | None = None
    tested: Significance | None = None
    refused: str | None = None
    repeated: Stability | None = None

    @classmethod
    def of(cls, found: GRNGC, table: SeriesTable, args: argparse.Namespace) -> Trust:
        """What the options ask of a fit, whose graph has it from then on. A fit is not lost where it cannot be tested."""
        tested = refused = None
        if args.significance is not None:
            try:
                tested = found.significance(table)
            except InputError as error:
                refused = str(error)
                warnings.warn(f"no p-values: {refused}", DataWarning, stacklevel=2)
        repeated = None if args.stability is None else found.stability(table, n_bootstraps=args.stability)
        return cls(args.significance, tested, refused, repeated)

    def sentences(self) -> Iterator[str]:
        """What the terminal and the report say."""
        if self.tested is not None:
            assert self.rate is not None
            count = self._significant
            yield (
                f"{count} edges are significant at a false discovery rate of {self.rate:g} (q_value in edges.csv)"
                if count
                else f"no edge is significant at a false discovery rate of {self.rate:g}: {self.tested.whole.p_values}"
            )
        if self.refused is not None:
            yield f"no p-values: {self.refused}"
        if self.repeated is not None:
            stable = self.repeated
            often, always = (int((stable.frequency >= share).sum()) for share in (HALF, 1.0))
            yield (
                f"of {stable.n_fits} fits of resampled windows, {stable.n_edges} edges each: {often} edges are in half of them,"
                f" {always} in all (frequency in edges.csv)"
            )

    def settings(self) -> dict[str, Any]:
        """As JSON takes them; None of what was not asked for."""
        significance: dict[str, Any] | None = None
        if self.tested is not None:
            significance = {"false_discovery_rate": self.rate, "edges": self._significant, **self.tested.metadata}
        elif self.refused is not None:
            significance = {"refused": self.refused}
        stability: dict[str, Any] | None = None
        if self.repeated is not None:
            assert self.repeated.whole.repeats is not None
            stability = dict(self.repeated.whole.repeats.metadata)
        return {"significance": significance, "stability": stability}

    def draw(self, folder: Path, names: tuple[str, ...]) -> None:
        """The pictures among these files."""
        if self.tested is not None and self.rate is not None and SIGNIFICANCE_PICTURE in names:
            self.tested.plot("summary", self.rate).savefig(folder / SIGNIFICANCE_PICTURE, dpi=150)
        if self.repeated is not None and STABILITY_PICTURE in names:
            self.repeated.plot("summary").savefig(folder / STABILITY_PICTURE, dpi=150)

    @property
    def _significant(self) -> int:
        assert self.tested is not None and self.rate is not None
        return int((self.tested.q_values <= self.rate).sum())
