from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

CHECKOUT = Path(__file__).resolve().parents[1]
SHARED_DATA = CHECKOUT.parent / "shared" / "data"


# Without a GPU the Triton kernels run in the interpreter, which has to be chosen before Triton is imported.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

from grngc_fast.kernels import triton_here  # noqa: E402


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """For what tests share, too, which is made before `_same_start`."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_start() -> None:
    torch.manual_seed(0)
    # Small products gain nothing from a second thread and lose much to it on a busy machine.
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the public benchmark files, which are not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("benchmark data not found: expected a folder shared/data beside the checkout")
    return SHARED_DATA


@pytest.fixture
def _poisoned() -> Iterator[None]:
    """Memory that is not written is full of NaN."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    assert torch.empty(3).isnan().all(), "memory is not poisoned"
    yield
    torch.use_deterministic_algorithms(before)


@pytest.fixture
def _kernels(request: pytest.FixtureRequest) -> None:
    """The Triton kernels can run here, and write into memory full of NaN."""
    pytest.importorskip("triton")
    if not torch.cuda.is_available() and not triton_here.interpreted():
        pytest.skip("needs a CUDA device or TRITON_INTERPRET=1")
    request.getfixturevalue("_poisoned")
