"""`python -m grngc_fast` is the `grngc-fast` command."""

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
