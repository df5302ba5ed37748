"""A power cut, as unkind as POSIX allows: what no fsync has forced to the disk is there or not, whole or in part, as the dice fall.

1. `Disk.begin` takes what lies below a folder as safe. `watch`, in a child, writes down every fsync from then on: of a file, that its
   content is safe; of a folder, which names stand in it.
2. After the child was killed `Disk.cut` makes the folder what a disk might show at the next start. A name whose folder was not synced
   may be gone, or be back if it was removed. A file that was not synced may be empty, half there, zeros, or whole.

A sync is written down instead of made. Hard links in a store beside keep every synced file's inode, so that none is used again.
SQLite's own files are left as they are: it syncs them itself, in C.
"""

import json
import os
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

Names = dict[str, int]


def watch(journal: Path) -> None:
    """In a child: write every fsync down in `journal`."""

    def sync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        if path.is_dir():
            entry = {"folder": str(path), "names": names_in(path)}
        else:
            stat = path.stat()
            keep(journal.parent, path, stat.st_ino)
            entry = {"file": stat.st_ino, "size": stat.st_size}
        with journal.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    os.fsync = sync
    os.fdatasync = sync


def names_in(folder: Path) -> Names:
    """Each name in a folder with its inode, but for SQLite's files."""
    return {p.name: p.stat(follow_symlinks=False).st_ino for p in folder.iterdir() if ".db" not in p.suffix}


def keep(store: Path, path: Path, inode: int) -> None:
    """Hold on to a file's inode."""
    kept = store / str(inode)
    if not kept.exists():
        os.link(path, kept)


@dataclass
class Disk:
    """What is safe below `root`: per folder the names, per file (inode) the size. `store` is a folder beside it, on the same disk.

    `unkind` is the chance that something which was not synced is not there; 1 loses all of it.
    """

    root: Path
    store: Path
    dice: random.Random
    unkind: float = 0.5
    names: dict[str, Names] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    lost: int = 0

    @property
    def journal(self) -> Path:
        """What a child is told: FAULTS_POWER."""
        return self.store / "journal"

    def begin(self) -> None:
        """Take everything as safe."""
        shutil.rmtree(self.store, ignore_errors=True)
        self.store.mkdir(parents=True)
        self.names, self.sizes = {}, {}
        for folder in (self.root, *self.root.rglob("*/")):
            self.names[str(folder)] = names_in(folder)
            for path in (folder / name for name in self.names[str(folder)]):
                if path.is_file():
                    stat = path.stat()
                    self.sizes[stat.st_ino] = stat.st_size
                    keep(self.store, path, stat.st_ino)

    def cut(self) -> None:
        """Make of the folder what is left of it."""
        for line in self.journal.read_text().splitlines() if self.journal.exists() else ():
            entry = json.loads(line)
            if "folder" in entry:
                self.names[entry["folder"]] = entry["names"]
            else:
                self.sizes[entry["file"]] = entry["size"]
        self._restore(self.root)

    def _restore(self, folder: Path) -> None:
        safe, there = self.names.get(str(folder), {}), names_in(folder)
        for name in sorted(safe.keys() | there.keys()):
            path = folder / name
            if safe.get(name) != there.get(name) and self.dice.random() < self.unkind:
                self.lost += 1
                self._undo(path, safe.get(name))
            if path.is_dir():
                self._restore(path)
            elif path.is_file():
                self._tear(path)

    def _undo(self, path: Path, inode: int | None) -> None:
        """Make a name what it was when its folder was last synced: another file's, or nothing."""
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        if inode is not None and (self.store / str(inode)).exists():
            os.link(self.store / str(inode), path)

    def _tear(self, path: Path) -> None:
        """Make a file's content what the disk may have of it."""
        stat = path.stat()
        safe = self.sizes.get(stat.st_ino, 0)
        if stat.st_size <= safe:
            return
        sizes = (safe, (safe + stat.st_size) // 2, stat.st_size)
        size = safe if self.dice.random() < 2 * self.unkind - 1 else self.dice.choice(sizes)
        self.lost += size < stat.st_size
        content = path.read_bytes()
        if size == stat.st_size and self.dice.random() < 0.3:
            content = content[:safe] + bytes(size - safe)
            self.lost += 1
        path.unlink()  # a kept link shares the content
        path.write_bytes(content[:size])
