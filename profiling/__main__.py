"""`python -m profiling NAME`: one profile, printed as a table, with a picture or a trace on request."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence

from . import memory, roofline, step

PROFILES = {"step": step, "roofline": roofline, "memory": memory}
if importlib.util.find_spec("triton") is not None:
    from . import kernel_report

    PROFILES["kernels"] = kernel_report


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling", description=__doc__)
    sub = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, module in PROFILES.items():
        one = sub.add_parser(name, help=(module.__doc__ or "").splitlines()[0], description=module.__doc__)
        module.add_arguments(one)
    args = parser.parse_args(argv)
    found = PROFILES[args.name].run(args)
    if isinstance(found, int):
        return found
    print(found)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
