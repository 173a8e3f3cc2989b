"""The search for launch configurations: of a list of candidates the first that has no fault in any variant of its key."""

from __future__ import annotations

import sys
from dataclasses import asdict

from grngc_fast.kernels.matmul_l1.gpu import configs

from .kernel_compile import GPUS, compile_variant, variants

# Candidates for --choose: rows x columns, depth (of the kernels that walk K), warps, stages; the preferred first.
CANDIDATES: dict[str, str] = {
    "rows": """
        128 128 0 8 3, 128 64 0 8 3, 128 64 0 8 2, 128 32 0 8 3, 128 32 0 8 2, 64 64 0 4 2, 64 32 0 4 2, 64 64 0 8 2,
        64 32 0 8 2, 64 32 0 4 1""",
    "products": """
        128 256 64 8 3, 128 128 64 8 4, 128 128 64 8 3, 128 128 64 8 2, 128 128 32 8 3, 128 128 64 16 2, 128 64 64 8 3,
        128 64 64 8 2, 128 64 32 8 3, 128 64 32 8 2, 64 64 64 4 3, 64 64 32 4 3, 64 64 32 8 2, 64 32 32 8 2, 64 32 32 4 1,
        32 32 32 4 1""",
    "gradients": """
        128 64 256 8 3, 128 64 128 8 4, 128 64 128 8 3, 128 64 128 8 2, 128 32 128 8 3, 128 64 64 8 3, 64 64 128 8 2,
        64 64 64 4 3, 64 32 64 4 2, 64 32 64 4 1, 32 32 32 4 1""",
}
# AMD's compiler takes minutes over the largest tiles, and a block has 64 KiB of shared memory.
AMD_CANDIDATES: dict[str, str] = {
    "rows": "128 64 0 8 2, 64 64 0 4 2, 64 32 0 4 1",
    "products": "128 128 64 8 2, 128 64 32 8 2, 64 64 32 4 2, 64 64 32 4 1, 32 32 32 4 1",
    "gradients": "128 64 64 8 2, 64 64 64 4 1, 64 32 64 4 1, 32 32 32 4 1",
}


def choose(arch: str, key: configs.Key) -> tuple[str, configs.Config | None]:
    """The first candidate without a fault in any variant of the key."""
    candidates = AMD_CANDIDATES if GPUS[arch].backend == "hip" else CANDIDATES
    for line in candidates.get(key.kernel, candidates["products"]).split(","):
        rows, columns, depth, warps, stages = map(int, line.split())
        config = configs.Config(rows, columns, depth or key.depth, warps, stages)
        # A tile in which the accumulators alone fill the registers is not worth compiling.
        if config.rows * max(config.depth, config.columns) > 256 * 32 * warps:
            continue
        try:
            if not any(compile_variant(arch, variant, config).fault for variant in variants(key)):
                return arch, config
        except Exception as error:  # a compiler that gives up on a candidate has answered for it
            print(f"{arch} {key} {config}: {error!r:.120}", file=sys.stderr)
    return arch, None


def table(pairs: list[tuple[str, configs.Key]], found: list[configs.Config | None]) -> str:
    """The text of baked.py."""
    lines = [
        '"""Rows, columns, depth, warps, stages: chosen by `python -m profiling kernels --choose`."""',
        "",
        "BAKED: dict[str, dict[str, tuple[int, int, int, int, int]]] = {",
    ]
    for arch in dict.fromkeys(arch for arch, _ in pairs):
        lines.append(f'    "{arch}": {{')
        for (own, key), config in zip(pairs, found, strict=True):
            if own == arch and config is not None:
                lines.append(f'        "{key}": {tuple(asdict(config).values())},')
        lines.append("    },")
    return "\n".join([*lines, "}"])
