"""Where the files of a published data set lie: in the folder given, or in one of its folders."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import InputError

# Folders below the one given that are looked into.
_DEPTH = 2


def find_file(place: str | os.PathLike[str], *names: str, folder: str | None = None) -> Path:
    """The file of one of these names that is nearest to `place`.

    Parameters
    ----------
    place : the folder that holds it, a folder at most two above, or the file itself.
    names : what it is called; the first is how it is distributed, others are spellings that are met too.
    folder : what the folder that holds it is called, where the name of the file does not tell which set it is of;
        `place` itself may be called otherwise.

    Raises
    ------
    InputError : no such file, several at the same depth, a file of another name.
    """
    place = Path(place)
    if place.is_file():
        if place.name in names:
            return place
        raise InputError(f"{place} is not {' or '.join(names)}; give that file, or the folder that holds it")
    if not place.exists():
        raise InputError(f"{place} does not exist; check the path (relative paths start at {Path.cwd()})")
    own = [place / name for name in names if (place / name).is_file()]
    if own:
        return own[0]
    inside = "" if folder is None else f"{folder}/"
    for depth in range(_DEPTH + 1):
        found = sorted(hit for name in names for hit in place.glob("*/" * depth + inside + name) if hit.is_file())
        if len(found) > 1:
            raise InputError(f"{place} holds several: {found[0]} and {found[1]}; give the folder of the one meant")
        if found:
            return found[0]
    others = f", nor {' nor '.join(names[1:])}," if names[1:] else ""
    raise InputError(
        f"{place / (inside + names[0])} does not exist{others} nor lies it in a folder there; give the folder that holds it"
    )


def beside(place: str | os.PathLike[str], found: Path, *names: str) -> Path:
    """A further file of the set: in the folder of the one found, else as `find_file` finds it in `place`."""
    for name in names:
        if (found.parent / name).is_file():
            return found.parent / name
    return find_file(place if Path(place).is_dir() else found.parent, *names)
