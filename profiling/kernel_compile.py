"""Kernels compiled for GPUs that need not be here: which variants there are, and the resources that each takes."""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grngc_fast.kernels.matmul_l1.gpu import configs

from . import spline_report, steps_report


@dataclass(frozen=True)
class Gpu:
    """Limits of one multiprocessor, and the 16-bit rate in TFLOP/s that large products reach (lead, not measured here)."""

    backend: str
    target: int | str
    warp: int
    registers: int
    shared_block: int
    shared: int
    warps: int
    rate: float
    instruction: str
    granule: int


GPUS = {
    "sm_80": Gpu("cuda", 80, 32, 65536, 163 * 1024, 164 * 1024, 64, 260.0, "mma.sync", 8),
    "sm_90": Gpu("cuda", 90, 32, 65536, 227 * 1024, 228 * 1024, 64, 800.0, "wgmma.mma_async", 8),
    "sm_100": Gpu("cuda", 100, 32, 65536, 227 * 1024, 228 * 1024, 64, 1600.0, "tcgen05.mma", 8),
    "gfx942": Gpu("hip", "gfx942", 64, 4 * 512 * 64, 64 * 1024, 64 * 1024, 32, 600.0, "v_mfma", 8),
}
# M, Q, K, N of the shape for which the floor is stated.
SHAPES = {"narrow": (32000, 5000, None, 1), "wide": (256, 5000, 2048, 1)}


@dataclass(frozen=True)
class Variant:
    """One kernel with the flags that decide its code."""

    key: configs.Key
    flags: tuple[str, ...] = ()
    dtype: str = "fp16"


@dataclass(frozen=True)
class Resources:
    arch: str
    key: str
    config: tuple[int, ...]
    registers: int
    spilled: int
    shared: int
    shared_limit: int
    tensor_instructions: int
    occupancy: float
    floor_us: float

    @property
    def allowed(self) -> int:
        """Bytes a thread that may be spilled."""
        found = (
            n
            for (arch, key), n in configs.MEASURED_SPILLS.items()
            if arch == self.arch and self.key.startswith(f"{key} ")
        )
        return next(found, 0)

    @property
    def fault(self) -> str:
        if self.spilled > self.allowed:
            return "SPILLS"
        if self.shared > self.shared_limit:
            return "SHARED MEMORY"
        if self.tensor_instructions == 0 and not self.key.startswith(("operands", "spline")):
            return "NO TENSOR CORES"
        return ""


_FLAGS = {
    "rows": ("SUM", "GRAD"),
    "products": ("SUM", "KEEP"),
    "biased": ("SUM", "KEEP", "SUM_SIGNS"),
    "scores": ("ABSOLUTE", "SIGNED"),
    "gradients": ("GRAD",),
}


def keys() -> list[configs.Key]:
    """Every key a call can reach."""
    shapes = [("rows", depth) for depth in (16, 32, 64, 128, 256)] + [(name, 0) for name in _FLAGS if name != "rows"]
    found = []
    for kernel, depth in shapes:
        for terms in (1, 2):
            for scale in (False, True):
                for entries in (False, True) if kernel != "gradients" else (False,):
                    found.append(configs.Key(kernel, depth, terms, scale, entries))
    return found


def variants(key: configs.Key, every: bool = True) -> list[Variant]:
    """The fullest code of a key, whose needs bound the others', and with `every` its other layouts and formats."""
    flags = _FLAGS[key.kernel]
    if key.scale:
        flags = (*flags, "HAS_SCALE", *(["GRAD_SCALE"] if "GRAD" in flags else []))
    if key.entries:
        flags = (*flags, "HAS_BIAS", "HAS_MASK")
    # Sizes that are multiples of 16 load 16 bytes at a time and are pipelined in shared memory; others are not.
    found = [Variant(key, flags), Variant(key, (*flags, "ALIGNED"))]
    # These two run on either side; the launcher gives the others rows that lie contiguous.
    if key.kernel in ("rows", "gradients"):
        found.append(Variant(key, (*flags, "TRANSPOSED")))
    if every and key.terms == 1:
        found.append(Variant(key, flags, "bf16"))
    return found


OPERANDS = [
    Variant(configs.Key("operands largest", 0, 1)),
    Variant(configs.Key("operands flat", 0, 1)),
    *(Variant(configs.Key("operands terms", 0, n)) for n in (1, 2)),
]


def compile_variant(
    arch: str,
    variant: Variant | spline_report.SplineVariant | steps_report.StepsVariant,
    config: configs.Config | None = None,
) -> Resources:
    if isinstance(variant, spline_report.SplineVariant):
        return _compile_spline(arch, variant)
    if isinstance(variant, steps_report.StepsVariant):
        return _compile_steps(arch, variant)
    limits = GPUS[arch]
    if variant.key.kernel.startswith("operands"):
        config = configs.Config(32, 0, 64, 4, 3)
    elif config is None:
        config = configs.choose(arch, variant.key)
        assert config is not None
    kernel, constants = _kernel(variant, config)
    signature, attributes = _signature(kernel, constants, variant)
    return _resources(
        arch,
        " ".join(
            (str(variant.key), variant.dtype, *(f.lower() for f in ("TRANSPOSED", "ALIGNED") if f in variant.flags))
        ),
        (kernel, signature, constants, attributes),
        (config.rows, config.columns, config.depth, config.warps, config.stages),
        floor(variant, limits),
    )


def _compile_spline(arch: str, variant: spline_report.SplineVariant) -> Resources:
    from grngc_fast.kernels.spline.gpu import launch

    *source, blocks = spline_report.source(variant)
    rows = blocks.functions if variant.kernel == "grad_weights" else blocks.rows
    floor_us = spline_report.bytes_moved(variant) / 3e6
    return _resources(arch, str(variant), tuple(source), (rows, blocks.outputs, 0, launch.WARPS, 3), floor_us)


def _compile_steps(arch: str, variant: steps_report.StepsVariant) -> Resources:
    from grngc_fast.kernels.small_networks.gpu import launch

    *source, blocks = steps_report.source(variant, GPUS[arch].backend)
    config = (blocks.windows, blocks.units, blocks.splines, blocks.warps, 1)
    options = launch.options(blocks, GPUS[arch].backend)
    floor_us = steps_report.flop(variant) / steps_report.RATE / 1e6
    # Its tiles are below what the later instructions take.
    instruction = "mma.sync" if GPUS[arch].backend == "cuda" else GPUS[arch].instruction
    return _resources(arch, str(variant), tuple(source), config, floor_us, options, instruction)


def _resources(
    arch: str,
    key: str,
    source: tuple[Any, ...],
    config: tuple[int, int, int, int, int],
    floor_us: float,
    options: dict[str, Any] | None = None,
    instruction: str | None = None,
) -> Resources:
    """Compile kernel, signature, constants and attributes; config ends with warps and stages."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    limits, (*_, warps, stages) = GPUS[arch], config
    compiled = triton.compile(
        ASTSource(*source),
        target=GPUTarget(limits.backend, limits.target, limits.warp),
        options=options or {"num_warps": warps, "num_stages": stages},
    )
    registers, spilled, text = _usage(compiled, limits)
    shared = compiled.metadata.shared
    blocks = min(
        limits.warps // warps,
        limits.registers // max(1, -(-registers // limits.granule) * limits.granule * limits.warp * warps),
        limits.shared // shared if shared else 32,
    )
    return Resources(
        arch,
        key,
        config,
        registers,
        spilled,
        shared,
        limits.shared_block,
        len(re.findall(re.escape(instruction or limits.instruction), text)),
        blocks * warps / limits.warps,
        floor_us,
    )


def floor(variant: Variant, limits: Gpu) -> float:
    """Microseconds of the reference shape's arithmetic in one launch at the large-product rate; bytes for the operand kernels."""
    key = variant.key
    m, q, k, n = SHAPES["narrow" if key.kernel == "rows" else "wide"]
    product = 2.0 * n * m * q * (k or key.depth) / limits.rate / 1e6
    signs = 3 if key.terms == 2 else 1
    if key.kernel == "rows":
        return product * (signs + key.terms)
    return product * {"gradients": key.terms, "operands largest": 0, "operands flat": 0, "operands terms": 0}.get(
        key.kernel, signs
    )


def _kernel(variant: Variant, config: configs.Config) -> tuple[Any, dict[str, Any]]:
    from grngc_fast.kernels.matmul_l1.gpu import gradients, operands, products, rows

    found = {
        "rows": rows.rows_kernel,
        "gradients": gradients.gradients_kernel,
        "operands largest": operands.largest_kernel,
        "operands flat": operands.largest_flat_kernel,
        "operands terms": operands.terms_kernel,
    }.get(variant.key.kernel, products.products_kernel)
    constants: dict[str, Any] = {}
    tops = {"TOP": 13, "TOP_OWNER": 6, "TOP_SCALE": 6, "TOP_OTHER": 13, "TOP_LEFT": 6, "TOP_RIGHT": 13}
    blocks = {
        "BLOCK_I": config.rows,
        "BLOCK_J": config.columns,
        "BLOCK_K": config.depth,
        "BLOCK_R": config.rows,
        "BLOCK": operands.FLAT,
        "TERMS": variant.key.terms,
        "SCALED": variant.dtype == "fp16",
    }
    for parameter in found.params:
        name = parameter.name
        if parameter.is_constexpr:
            constants[name] = tops.get(name, blocks.get(name, name in variant.flags))
    # The strides that are 1 in the usual layouts: a launch makes them constants too.
    transposed = "TRANSPOSED" in variant.flags
    units = ("a_i", "kept_i", "bias_i", "mask_i") if transposed else ("a_k", "kept_j", "bias_j", "mask_j")
    names = set(found.arg_names)
    constants |= {name: 1 for name in (*units, "scale_k", "stride_k") if name in names}
    return found, constants


_POINTERS = {
    "mask": "*u8",
    "order": "*i32",
    "counts": "*i32",
    "amax": "*i32",
    "amax_other": "*i32",
    "amax_right": "*i32",
    "amax_scale": "*i32",
    "kept": "*i8",
    **dict.fromkeys(
        ("a", "scale", "bias", "sums", "grad", "grad_scale", "poison", "sign_sum", "absolute", "signed", "x"), "*fp32"
    ),
}
_HALVES = ("high", "low", "low_a")
_COUNTS = ("column_offset", "row_offset", "n_windows", "splits", "stride")


def _signature(kernel: Any, constants: dict[str, Any], variant: Variant) -> tuple[dict[str, str], dict[Any, Any]]:
    signature, attributes, dtype = {}, {}, variant.dtype
    # Of stored signs the rows or the columns are padded to 16.
    exact = "kept_columns" if "TRANSPOSED" in variant.flags else "kept_rows"
    for index, name in enumerate(kernel.arg_names):
        if name in constants:
            signature[name] = "constexpr"
            continue
        if name in _HALVES or (name == "a" and "low_a" in kernel.arg_names and not constants["HAS_SCALE"]):
            signature[name] = f"*{dtype}"
        else:
            signature[name] = _POINTERS.get(name, "fp32" if name == "mean_factor" else "i32")
        # Allocations and the strides of usual sizes are multiples of 16; counts are not.
        is_size = name in ("n_rows", "n_columns", "width", "period", "column_period", exact)
        is_count = name in _COUNTS or name.endswith(("_splits", "_blocks")) or name in ("mean_factor", "zero")
        if "ALIGNED" in variant.flags if is_size else not is_count:
            attributes[(index,)] = [["tt.divisibility", 16]]
    return signature, attributes


def _usage(compiled: Any, limits: Gpu) -> tuple[int, int, str]:
    """Registers a thread, spilled bytes a thread, and the code in which to look for instructions."""
    if limits.backend == "hip":
        text = compiled.asm["amdgcn"]
        vector = int(re.search(r"\.vgpr_count:\s+(\d+)", text)[1])  # type: ignore[index]
        # Scalar registers spill into lanes of vector ones; what goes to memory is the private segment.
        return vector, int(re.search(r"\.private_segment_fixed_size:\s+(\d+)", text)[1]), text  # type: ignore[index]
    import triton

    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        text = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    usage = re.search(r"REG:(\d+) STACK:(\d+).*?LOCAL:(\d+)", text)
    if usage is None:
        raise RuntimeError(f"cuobjdump reported no resource usage: {text!r}")
    registers, stack, local = map(int, usage.groups())
    return registers, stack + local, compiled.asm["ptx"]
