"""`python -m benchmarks NAME`: run one benchmark, print its table, with `--record` append it to the results."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from . import (
    accuracy,
    drop_in,
    endtoend,
    families,
    gpu,
    growth,
    guard,
    missing,
    models,
    objective,
    op,
    path,
    penalty,
    ranking,
    regret,
    report,
    sampling,
    scale,
    scaling,
    sets_step,
    significance,
    start_up,
)
from .results import circumstances, record, show

BENCHMARKS = {
    "op": op,
    "penalty": penalty,
    "models": models,
    "objective": objective,
    "drop_in": drop_in,
    "accuracy": accuracy,
    "families": families,
    "missing": missing,
    "significance": significance,
    "path": path,
    "ranking": ranking,
    "regret": regret,
    "scale": scale,
    "growth": growth,
    "sets_step": sets_step,
    "sampling": sampling,
    "scaling": scaling,
    "endtoend": endtoend,
    "start_up": start_up,
    "gpu": gpu,
    "report": report,
}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    sub = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, module in BENCHMARKS.items():
        one = sub.add_parser(name, help=(module.__doc__ or "").splitlines()[0], description=module.__doc__)
        one.add_argument("--threads", type=int, help="of torch (one to a physical core)")
        one.add_argument("--repeats", type=int, default=5, help="timed calls after one untimed (%(default)s)")
        one.add_argument("--record", action="store_true", help="append to benchmarks/results/results.csv")
        one.add_argument(
            "--record-busy", action="store_true", help="record even on a busy machine, rows marked as such"
        )
        module.add_arguments(one)
    args = parser.parse_args(argv)

    if args.name == "report":
        report.run(args)
        return 0
    guard.set_threads(args.threads)
    reason = guard.busy()
    if reason and args.record and not args.record_busy:
        parser.error(f"{reason}: wait until they end, or mark the rows with --record-busy")
    if reason:
        print(f"warning: {reason}; the figures are not to be trusted")
    module = BENCHMARKS[args.name]
    # Of long runs what has ended is kept at once.
    at_once = getattr(module, "batches", None)
    shared = circumstances(reason)
    rows = []
    for batch in at_once(args) if at_once else [module.run(args)]:
        rows += batch
        if at_once and (args.record or args.record_busy):
            record(batch, shared)
    print(show(rows))
    after = guard.busy()
    if after and not reason:
        print(f"warning: {after} by the end; the figures are not to be trusted")
        if args.record and not args.record_busy and not at_once:
            parser.error("not recorded; run again on an idle machine, or mark the rows with --record-busy")
    reason = reason or after
    if (args.record or args.record_busy) and not at_once:
        record(rows, circumstances(reason))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
