"""Making bytes survive a power cut: fsync of files and of the folders that name them.

deltalake and pyarrow write without fsync; a commit that the disk forgets must never have been told to the ledger.
"""

import os
from pathlib import Path


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


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, each entry forced to the disk."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content`: a reader and a crash see the old file or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
