"""The `grngc-fast` command: `demo`, `inspect`, `fit`, `path`, `evaluate`, `simulate`."""

from .main import main

__all__ = ["main"]
