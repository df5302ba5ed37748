"""Making bytes survive a power cut: fsync of files and of the folders that name them.

deltalake and pyarrow write without fsync; a commit that the disk forgets must never have been told to the ledger.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path

FULL = ("no space left on device", "disk is full", "file too large", "quota exceeded")
"""What libraries that hide the number of the system's error say of a full disk, in small letters."""


def says_disk_is_full(error: BaseException) -> bool:
    """Whether an error of Python, Arrow, DuckDB, deltalake or a database means that there is no more room."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return any(words in str(error).lower() for words in FULL)


def sync_file(path: Path) -> None:
    """Force a file's content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Force a folder's entries (names of new files) to the disk."""
    sync_file(path)


def sync_log(log: Path) -> None:
    """Force the newest entries of a Delta log, its newest checkpoint, the log's folder and the folder's own name to the disk."""
    checkpoints = sorted(log.glob("*.checkpoint*.parquet"))[-1:]
    for entry in (*sorted(log.glob("*.json"))[-3:], *checkpoints, *log.glob("_last_checkpoint")):
        sync_file(entry)
    sync_folder(log)
    sync_folder(log.parent)


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, each entry forced to the disk."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: a reader and a crash see the old file or the new one, never a part."""
    temporary = _written(path, content)
    temporary.replace(path)
    sync_folder(path.parent)


def write_once(path: Path, content: bytes) -> None:
    """Create `path` with `content`, readable by its owner alone, unless it is there: of several writers one wins, whole."""
    temporary = _written(path, content)
    temporary.chmod(0o600)
    with suppress(FileExistsError):
        path.hardlink_to(temporary)
    temporary.unlink()
    sync_folder(path.parent)


def _written(path: Path, content: bytes) -> Path:
    """A temporary file beside `path` with this content, forced to the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return temporary
