"""Disks that are full from some moment on: small tmpfs mounts, or where those are not allowed a limit on the size of files.

The child stands still at a crash point, the disk is filled, the child goes on. Without mounts the child forbids itself at that point
to make any file larger (RLIMIT_FSIZE): writes fail with EFBIG instead of ENOSPC, and on every disk at once.
"""

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from faults_bench import FAR, Bench

SIZE = 64 << 20
BALLAST = "ballast"


@dataclass(frozen=True)
class Disks:
    """The disks of a city; `mounted` if each is a small one of its own."""

    home: Path
    lake: Path
    ledger: Path
    mounted: bool

    def run_into(self, bench: Bench, disk: str, point: str) -> str:
        """A pull that finds `disk` full after `point`; how it ended."""
        if not self.mounted:
            return bench.pull(ahead=FAR * bench.trials, FAULTS_FULL_AFTER=point)
        bench.hub.ledger.dispose()
        child = bench.start(ahead=FAR * bench.trials, HUB_CRASH_AT=point, HUB_CRASH_SIGNAL="STOP")
        ended = bench.zygote.wait(child)
        assert ended == "stopped"
        ballast = getattr(self, disk) / BALLAST
        fill(ballast)
        try:
            os.kill(child, signal.SIGCONT)
            return bench.zygote.wait(child)
        finally:
            ballast.unlink()


@contextmanager
def disks(root: Path) -> Iterator[Disks]:
    """Disks below `root`."""
    places = [root / "home", root / "home" / "lake", root / "ledger"]
    mounted = []
    try:
        for place in places:
            place.mkdir(parents=True, exist_ok=True)
            if mount(place):
                mounted.append(place)
        yield Disks(*places, mounted=len(mounted) == len(places))
    finally:
        for place in reversed(mounted):
            subprocess.run(["umount", "--lazy", str(place)], check=True)


@contextmanager
def plain(root: Path) -> Iterator[Disks]:
    """The same folders on the disk that is there."""
    places = [root / "home", root / "home" / "lake", root / "ledger"]
    for place in places:
        place.mkdir(parents=True)
    yield Disks(*places, mounted=False)


def mount(place: Path) -> bool:
    """Whether a small tmpfs could be mounted there."""
    program = shutil.which("mount")
    if os.geteuid() != 0 or program is None:
        return False
    done = subprocess.run(
        [program, "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], check=False, capture_output=True
    )
    return done.returncode == 0


def fill(ballast: Path) -> None:
    """Take all the room there is."""
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(bytes(1 << 20)):
            pass


def forbid_after(point: str) -> Callable[[], None]:
    """In a child: let no file grow any more once `point` is passed. Returns what takes the limit away."""
    from lake import crash

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def passing(name: str) -> None:
        if name == point:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))

    crash.point = passing
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
