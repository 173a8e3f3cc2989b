"""The `grngc-fast` command: `demo`, `fit`, `evaluate`, `simulate`."""

from .main import main

__all__ = ["main"]
