"""Where the time goes: `python -m profiling --help`."""
