"""Which names of columns, indices and dimensions say that time is in them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from itertools import pairwise

_UNIT_IN_BRACKETS = re.compile(r"\s*[\[(][^\])]*[\])]\s*$")
_APART = re.compile(r"[\s_.\-]+")
_UNITS = r"(ms|s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|months?|y|years?)"
_TIME = re.compile(
    r"(date ?times?|time ?stamps?|time( ?points?)?s?|dates?|date ?\(?utc\)?|[a-z0-9]* ?pseudo ?time( \d+)?|latent time"
    r"|time ?(steps?|idx|index)|(unix|posix|epoch|utc|sampl(e|ing)) ?time|elapsed( time)?"
    r"|zeit(punkt|stempel)?|datum|uhrzeit|fecha|tiempo|horodate|valid time|observation date"
    rf"|(elapsed )?time( in)? {_UNITS}|{_UNITS} post [a-z]+)"
)
# A gene may be called T and a series of hours be a covariate, so these count in front only.
_LEADING = re.compile(
    r"t|ms|secs?|seconds?|mins?|minutes?|hrs?|hours?|days?|weeks?|months?|years?|quarters?|epoch"
    r"|(steps?|frames?|cycles?|ticks?|generations?)|frame (no|nr|num|number|id|index)|heures?|temps|stunden?|tage?|jahr"
)
_NUMBERS_ROWS = re.compile(
    r"|unnamed: ?\d+( level \d+)?|(row )?(index|no|nr|num|number|id|names?)|rows?|#|level 0|obs(ervation)?|x1|v1"
    r"|(sample|cell|serial)( (index|no|nr|num|number|id))?"
)

_TELLS_APART = re.compile(
    r"(^|[_ .])(ids?|subject|patient|participant|trajectory|run|replicate|rep|animal|mouse|rat"
    r"|trial|batch|experiment|unit|episode|lineage|branch|well|plate|cluster|state|condition|group|treatment)"
    r"([_ .]?(id|no|nr|number|index))?$"
)


def _plain(name: Hashable) -> str:
    text = "" if name is None else str(name)
    return _APART.sub(" ", _UNIT_IN_BRACKETS.sub("", text.strip().lower())).strip()


def says_time(name: Hashable) -> bool:
    """`time`, `Date`, `timestamp`, `Time (h)`, `pseudotime`, ...: time wherever the column stands."""
    return name is not None and _TIME.fullmatch(_plain(name)) is not None


def may_say_time(name: Hashable) -> bool:
    """`t`, `hours`, `day`, `Year`, ...: time where the column stands in front of the series."""
    return says_time(name) or (name is not None and _LEADING.fullmatch(_plain(name)) is not None)


def may_number_rows(name: Hashable) -> bool:
    """No name, `Unnamed: 0`, `index`, `row.names`, ...: perhaps the numbers of the rows."""
    return _NUMBERS_ROWS.fullmatch(_plain(name)) is not None


def tells_apart(name: Hashable) -> bool:
    """`subject`, `run_id`, `replicate`, `cluster`, ...: labels of trajectories."""
    return name is not None and _TELLS_APART.search(str(name).strip().lower()) is not None


def are_years(names: Sequence[str]) -> bool:
    """2001, 2002, ...: headers of a table whose columns are years."""
    if len(names) < 3 or not all(re.fullmatch(r"(1[5-9]|20|21)\d\d", name) for name in names):
        return False
    steps = {int(b) - int(a) for a, b in pairwise(names)}
    return min(steps) > 0 and len(steps) <= 2


def unit_in(name: Hashable) -> str | None:
    """The unit that a name gives in brackets or at its end: `h` of `Time (h)` and of `time_h`."""
    text = "" if name is None else str(name).strip().lower()
    match = re.search(rf"[\[(\s_.]{_UNITS}[\])]?$", text) or re.fullmatch(_UNITS, text)
    return match[1] if match else None
