from __future__ import annotations


def pytest_xdist_auto_num_workers() -> int:
    """None beside this process: what is timed has the machine to itself."""
    return 0
