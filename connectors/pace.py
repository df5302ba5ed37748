"""No more rows a second than a department's database bears: the stream waits, and with it the server's cursor."""

import time
from collections.abc import Callable, Iterator

import pyarrow as pa

SLICES_A_SECOND = 4


def paced(
    batches: Iterator[pa.RecordBatch],
    rows_per_second: int | None,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[pa.RecordBatch]:
    """The batches, in slices that leave at the given pace on average; as they come without one. `clock` and `sleep` count seconds."""
    if not rows_per_second:
        yield from batches
        return
    size, given, began = max(rows_per_second // SLICES_A_SECOND, 1), 0, clock()
    for batch in batches:
        for start in range(0, batch.num_rows, size):
            piece = batch.slice(start, size)
            yield piece
            given += piece.num_rows
            ahead = given / rows_per_second - (clock() - began)
            if ahead > 0:
                sleep(ahead)
