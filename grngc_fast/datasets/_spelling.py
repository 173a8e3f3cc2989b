"""Names of a list as the table spells them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..errors import InputError


class Spelling:
    """Finds the series that a name means; without case where that is asked for and clear."""

    def __init__(self, names: Sequence[str], ignore_case: bool = False) -> None:
        self._names = frozenset(names)
        self._ignore_case = ignore_case
        self._folded: dict[str, list[str]] = defaultdict(list)
        for name in names:
            self._folded[name.casefold()].append(name)

    def of(self, name: str) -> str | None:
        """The series of this name, or None.

        Raises
        ------
        InputError : several that differ from it in case alone.
        """
        if name in self._names:
            return name
        alike = self._folded.get(name.casefold(), []) if self._ignore_case else []
        if len(alike) > 1:
            raise InputError(
                f"{name!r} may be any of {', '.join(map(repr, alike[:3]))}, which differ in case alone; write the one meant"
            )
        return alike[0] if alike else None

    def hint(self, unknown: Sequence[str]) -> str:
        """What to add to a message where another case would have been found."""
        found = [] if self._ignore_case else [name for name in unknown if name.casefold() in self._folded]
        if not found:
            return ""
        first = self._folded[found[0].casefold()][0]
        return f"; {len(found)} of them are there in another case ({found[0]!r} as {first!r}): pass ignore_case=True"
