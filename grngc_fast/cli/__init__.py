"""The `grngc-fast` command: `demo`, `fit`, `path`, `evaluate`, `simulate`."""

from .main import main

__all__ = ["main"]
