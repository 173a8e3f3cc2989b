"""What a float32 becomes on the tensor cores: one or two 16-bit terms, and the signs that need only one.

    x * 2^e = h + l + rest,   h = round16(x * 2^e),   l = round16(x * 2^e - h)

| precision | terms | product           | gradients | relative error of an entry |
| highest   | 2 fp16 | h h + h l + l h  | 2         | 2^-22, as float32          |
| high      | 1 fp16 | h h              | 1         | 2^-12, as tf32             |
| medium    | 1 bf16 | h h              | 1         | 2^-9                       |

float16 has tf32's ten mantissa bits at twice tf32's rate; what it lacks is range. The power of two 2^e, one per operand,
brings the largest magnitude to [2^13, 2^14), which leaves 28 binades at full precision below it. Powers of two change no
bit of a mantissa, and the factor is read from the largest magnitude on the device: nothing waits for the host. bfloat16
has float32's range and takes no factor. The signs S are exact in every format.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def exponent(amax, top: tl.constexpr):
    """Biased exponent of the factor that brings the magnitude with these bits to [2^top, 2^(top+1)).

    0, subnormal and non-finite magnitudes are left as they are: infinities and NaN have to come through.
    """
    biased = (amax >> 23) & 0xFF
    found = tl.minimum(tl.maximum(127 + top + 127 - biased, 1), 253)
    return tl.where((biased == 0) | (biased == 255), 127, found)


@triton.jit
def power(biased):
    return (biased << 23).to(tl.float32, bitcast=True)


@triton.jit
def inverse_power(biased):
    return ((254 - biased) << 23).to(tl.float32, bitcast=True)


@triton.jit
def signs(p):
    """1, -1, 0 at zero, NaN at NaN."""
    return tl.where(p > 0, 1.0, tl.where(p < 0, -1.0, p))


@triton.jit
def masked(p, allowed):
    """p where `allowed` is 1, +0 where it is 0, NaN or not. On bits: booleans have no place in AMD's shared memory."""
    return (p.to(tl.int32, bitcast=True) & -allowed.to(tl.int32)).to(tl.float32, bitcast=True)


@triton.jit
def dot(x, y, acc, UPCAST: tl.constexpr):
    """acc + x @ y. `UPCAST` is for the interpreter, whose bfloat16 products are wrong."""
    if UPCAST:
        return tl.dot(x.to(tl.float32), y.to(tl.float32), acc, input_precision="ieee")
    else:
        return tl.dot(x, y, acc)


@triton.jit
def wide(index):
    """A 64-bit index, for products with strides. (A loop's index has no methods in the interpreter.)"""
    return index + tl.full((), 0, tl.int64)
