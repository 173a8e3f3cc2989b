"""What is refused as a checkpoint, before any work, and left as it is."""

from __future__ import annotations

import pytest
import torch

from grngc_fast import GRNGC, InputError
from grngc_fast.training import Trainer
from grngc_fast.training.checkpoint import FILE

from .test_checkpoint import SIZE, own_module, series


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lam": 0.2}, "lam was 0.1, now 0.2"),
        ({"hidden": 9}, r"hidden was \[8\], now \[9\]"),
        ({"random_state": 1}, "random_state was 0, now 1"),
        ({"max_steps": 61}, "max_steps was 60, now 61"),
        ({"model_options": {"dropout": 0.1}}, r"model_options was None, now \{'dropout': 0.1\}"),
        ({"model": own_module(), "hidden": None}, "model was 'mlp', now 'Sequential "),
    ],
)
def test_other_options_are_refused_by_name(changes, message, tmp_path):
    GRNGC(**SIZE, checkpoint=tmp_path).fit(series())
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(InputError, match=f"is of another run: .*{message}.*name another folder"):
        GRNGC(**{**SIZE, **changes}, checkpoint=tmp_path).fit(series())
    assert (tmp_path / FILE).read_bytes() == before


def test_other_data_are_refused(tmp_path):
    GRNGC(**SIZE, checkpoint=tmp_path).fit(series())
    other = series()
    other[17, 2] += 1e-9
    with pytest.raises(InputError, match=r"another run: data was '[0-9a-f]{32}', now"):
        GRNGC(**SIZE, checkpoint=tmp_path).fit(other)


def truncated(file):
    file.write_bytes(file.read_bytes()[:-1000])


def foreign(file):
    torch.save({"weights": torch.zeros(3)}, file)


def text(file):
    file.write_text("step 5\n")


def pickled(file):
    torch.save({"program": Trainer}, file)


def newer(file):
    saved = torch.load(file, weights_only=True)
    torch.save({**saved, "format": saved["format"] + 1}, file)


def older(file):
    saved = torch.load(file, weights_only=True)
    torch.save({**saved, "format": saved["format"] - 1}, file)


def of_another_version(file):
    saved = torch.load(file, weights_only=True)
    del saved["state"]["optimizer"]
    torch.save(saved, file)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (truncated, "is cut short or no checkpoint; remove it, or name another folder"),
        (text, "is cut short or no checkpoint; remove it, or name another folder"),
        (foreign, "is not a checkpoint of this library"),
        (pickled, "is damaged or no checkpoint"),
        (newer, "has format 3, of a newer version; this one reads up to 2: upgrade"),
        (older, "has format 1, of an older version; remove it, or name another folder"),
        (of_another_version, "does not fit this version of the library .'optimizer'.; name another folder"),
    ],
)
def test_a_file_that_is_not_a_checkpoint_is_refused_and_left(harm, message, tmp_path):
    GRNGC(**SIZE, checkpoint=tmp_path).fit(series())
    harm(tmp_path / FILE)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(InputError, match=message):
        GRNGC(**SIZE, checkpoint=tmp_path).fit(series())
    assert (tmp_path / FILE).read_bytes() == before


def test_a_folder_that_cannot_be_written_to_is_found_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "step", lambda self: pytest.fail("a step was taken"))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"checkpoint='.*file' is a file; name a folder"):
        GRNGC(**SIZE, checkpoint=tmp_path / "file").fit(series())
    with pytest.raises(InputError, match=r"checkpoint='.*below' cannot be written to .*Not a directory"):
        GRNGC(**SIZE, checkpoint=tmp_path / "file" / "below").fit(series())

    def full(*_):
        raise RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(InputError, match=r"cannot be written to .*failed writing file.*; free space"):
        GRNGC(**SIZE, checkpoint=tmp_path / "full").fit(series())
    assert not list((tmp_path / "full").iterdir())
    with pytest.raises(InputError, match="checkpoint=7; expected the path of a folder"):
        GRNGC(**SIZE, checkpoint=7).fit(series())
    with pytest.raises(InputError, match="checkpoint_minutes=-1"):
        GRNGC(**SIZE, checkpoint_minutes=-1).fit(series())
