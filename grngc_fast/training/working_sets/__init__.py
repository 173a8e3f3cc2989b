"""Which inputs each target reads: sets that screening and training find in rounds, as a lasso finds its active set.

A round: fill each open target's set with the inputs that would lower its residual most (`screen`), train a small network of it
(`tile`), screen again. The target is settled once nothing outside of its set is more than noise; else its strongest half is kept
and the next round begins. Two rounds are the least: the first is short, its residual is only to be good enough for the second
screen. A target that is open after its third round keeps its whole set, which grows. Whether pairs of many inputs are screened is
found out on some targets before each round (`search`).
"""

from .data import SetData
from .joined import JoinedData
from .options import SetOptions
from .search import find_sets, search_sets
from .sets import WorkingSets

__all__ = ["JoinedData", "SetData", "SetOptions", "WorkingSets", "find_sets", "search_sets"]
