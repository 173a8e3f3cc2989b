"""Timings and accuracies, each one command, every figure in one long table: `python -m benchmarks --help`."""
