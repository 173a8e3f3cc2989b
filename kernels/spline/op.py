"""The public functions of a spline layer: checks, then the path that computes."""

from __future__ import annotations

import torch
from torch import Tensor

from .. import triton_here
from . import dense, reference
from .basis import Basis

BACKENDS: tuple[str, ...] = ("auto", "triton", "torch", "reference")
_FLOATS = (torch.float64, torch.float32)


def spline_values(x: Tensor, weights: Tensor, basis: Basis) -> Tensor:
    """Forward pass of a layer, y_no = sum_i sum_g weights_oig phi_g(x_ni).

    Parameters
    ----------
    x : (N, I)
    weights : (O, I, G) with G = basis.n_functions: one for each spline, then one for the base activation.
    basis : grid, order and base activation of the layer.

    Returns
    -------
    (N, O), differentiable any number of times. A NaN in a window's input makes that window's outputs NaN.

    Raises
    ------
    ValueError : shapes that do not fit. TypeError : neither float32 nor float64, or several dtypes or devices.

    Example
    -------
    >>> basis = Basis(grid=2, order=1, base="none")
    >>> spline_values(torch.tensor([[0.5]]), torch.tensor([[[0.0, 1.0, 3.0]]]), basis)
    tensor([[2.]])
    """
    _check(x, weights, basis)
    (functions,) = _functions(x, basis, (0,))
    return dense.values(functions, weights)


def spline_slopes(x: Tensor, weights: Tensor, basis: Basis, *, backend: str = "auto") -> Tensor:
    """Slope matrices of a layer, A_noi = d y_no / d x_ni = sum_g weights_oig phi'_g(x_ni).

    Parameters
    ----------
    x, weights, basis : as `spline_values`.
    backend : "triton" (GPU kernels, float32), "torch" (any device), "reference" (Cox-de Boor recursion) or "auto", which is
        "triton" for float32 on a GPU and "torch" elsewhere.

    Returns
    -------
    (N, O, I), differentiable in x and weights: once by "triton", any number of times by the others.

    Raises
    ------
    As `spline_values`; ValueError for an unknown backend, RuntimeError for one that cannot run here.
    """
    _check(x, weights, basis)
    backend = resolve_backend(backend, x)
    if backend == "reference":
        return reference.slopes(x, weights, basis)
    if backend == "triton":
        from .gpu import launch

        return launch.slopes(x, weights, basis)
    (functions,) = _functions(x, basis, (1,))
    return dense.slopes(functions, weights)


def spline_values_and_slopes(
    x: Tensor, weights: Tensor, basis: Basis, *, backend: str = "auto"
) -> tuple[Tensor, Tensor]:
    """`spline_values` and `spline_slopes` at the same inputs, whose cells are found once."""
    if resolve_backend(backend, x) != "torch":
        return spline_values(x, weights, basis), spline_slopes(x, weights, basis, backend=backend)
    _check(x, weights, basis)
    functions, derivatives = _functions(x, basis, (0, 1))
    return dense.values(functions, weights), dense.slopes(derivatives, weights)


def spline_functions(x: Tensor, basis: Basis, derivative: int = 0) -> Tensor:
    """All functions of an edge, or a derivative of them, at x (N, I): (N, I, G). Differentiable any number of times."""
    if x.dim() != 2 or x.dtype not in _FLOATS:
        raise ValueError(f"x is {x.dtype} of shape {tuple(x.shape)}; expected float32 or float64, (N, I)")
    return _functions(x, basis, (derivative,))[0]


def resolve_backend(backend: str, x: Tensor) -> str:
    """A backend that can compute x; an explicit request is met or refused, never replaced."""
    if backend not in BACKENDS:
        raise ValueError(f"backend={backend!r} is unknown; use one of {', '.join(map(repr, BACKENDS))}")
    if backend == "auto":
        return "triton" if x.device.type == "cuda" and not _obstacle(x) else "torch"
    if backend == "triton":
        obstacle = _obstacle(x)
        if obstacle:
            raise RuntimeError(f"backend='triton' cannot run here: {obstacle}. Use 'torch' or 'auto'")
    return backend


def _obstacle(x: Tensor) -> str:
    if x.dtype != torch.float32:
        return f"its kernels compute in float32, and x is {x.dtype}"
    return triton_here.obstacle(x, "x is")


def _functions(x: Tensor, basis: Basis, derivatives: tuple[int, ...]) -> list[Tensor]:
    with torch.autocast(x.device.type, enabled=False):
        return dense.functions(x, basis, derivatives)


def _check(x: Tensor, weights: Tensor, basis: Basis) -> None:
    for name, tensor in (("x", x), ("weights", weights)):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name} is a {type(tensor).__name__}; expected a torch tensor")
        if tensor.dtype not in _FLOATS:
            raise TypeError(f"{name} has dtype {tensor.dtype}; use float32 or float64")
    if x.dtype != weights.dtype or x.device != weights.device:
        raise TypeError(f"x is {x.dtype} on {x.device}, weights {weights.dtype} on {weights.device}: use one of each")
    if x.dim() != 2 or weights.dim() != 3 or weights.shape[1:] != (x.shape[1], basis.n_functions):
        raise ValueError(
            f"shapes do not fit: x (N, I), weights (O, I, {basis.n_functions}); got {tuple(x.shape)}, {tuple(weights.shape)}"
        )
