"""Which rows may agree in some columns: those that share a hash with another, found by sorting hashes.

Sorting takes a fifth of what grouping the values takes, and nothing that memory must hold beyond `AT_ONCE` numbers: of more rows, the hashes are
asked for range by range, which costs little more than asking for all, as long as nobody divides them. Equal values have equal
hashes (DuckDB groups by the same ones); of unequal values a few may share one, so who asks groups the rows named here by their values.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

AT_ONCE = 4_000_000
NAMED = 10_000
"""Above this number of shared hashes they are not worth naming."""
_BITS = 64


def shared_hashes(hashes: Callable[[int, int], Any], rows: int) -> list[int] | None:
    """The hashes that more than one row has, in order; None if they are too many to be named.

    `hashes(least, most)` gives those rows' hashes from `least` to `most` as a NumPy array; `rows` is about how many rows there are.
    """
    parts, found = rows // AT_ONCE + 1, list[int]()
    for least, end in pairwise((n << _BITS) // parts for n in range(parts + 1)):
        numbers = hashes(least, end - 1)
        numbers.sort()
        found += np.unique(numbers[1:][numbers[1:] == numbers[:-1]]).tolist()
        if len(found) > NAMED:
            return None
    return found
