"""Whether a file names somebody: in its bytes, in the members of an archive or workbook, in the cells of Parquet, which compresses them."""

import gzip
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_PIECE = 1 << 20
_ARCHIVES = (".xlsx", ".zip")
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


class Unreadable(Exception):
    """The file is not what its name says, so nobody can tell."""


def names_any(path: Path, names: Collection[str]) -> bool:
    """Whether any of the names stands in the file.

    Raises:
        Unreadable: it cannot be read as what its name says.
    """
    try:
        if path.suffix == ".parquet":
            return _in_cells(path, names)
        if path.suffix in _ARCHIVES:
            return _in_members(path, names)
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _in_bytes(file, names)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, pa.ArrowException) as error:
        raise Unreadable from error


def _in_members(path: Path, names: Collection[str]) -> bool:
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as file:
                if _in_bytes(file, names):
                    return True
    return False


def _in_bytes(file: "IO[bytes] | gzip.GzipFile", names: Collection[str]) -> bool:
    wanted = [name.encode(code) for name in names for code in ("utf-8", "utf-16-le")]
    longest = max(map(len, wanted))
    tail = b""
    while piece := file.read(_PIECE):
        piece = tail + piece
        if any(name in piece for name in wanted):
            return True
        tail = piece[-longest:]
    return False


def _in_cells(path: Path, names: Collection[str]) -> bool:
    with pq.ParquetFile(path) as file:
        return any(_in_column(column, names) for batch in file.iter_batches() for column in batch.columns)


def _in_column(values: Any, names: Collection[str]) -> bool:
    """Whether any value, however deep in lists and structures, has a name in its text."""
    kind = values.type
    if pa.types.is_struct(kind):
        return any(_in_column(part, names) for part in values.flatten())
    if pa.types.is_map(kind):
        return _in_column(values.keys, names) or _in_column(values.items, names)
    if pa.types.is_nested(kind):
        return _in_column(values.flatten(), names)
    if pa.types.is_dictionary(kind):
        return _in_column(values.dictionary, names)
    if pa.types.is_integer(kind):
        values = values.cast(pa.string())
    elif not any(of(kind) for of in _TEXTS):
        return False
    return any(pc.any(pc.match_substring(values, name)).as_py() for name in names)
