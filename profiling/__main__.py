"""`python -m profiling NAME`: one profile, printed as a table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from . import step

PROFILES = {"step": step}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m profiling", description=__doc__)
    sub = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, module in PROFILES.items():
        one = sub.add_parser(name, help=(module.__doc__ or "").splitlines()[0], description=module.__doc__)
        module.add_arguments(one)
    args = parser.parse_args(argv)
    print(PROFILES[args.name].run(args))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
