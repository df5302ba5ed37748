"""What the demo needs of the machine, checked before anything is made: one line of what to do for each fault.

Standard library only: `make demo` runs this file before there is an environment.
"""

import argparse
import shutil
import socket
import sys
from pathlib import Path

FREE_MEMORY_MB = 3000
FREE_DISK_MB = 2000


def faults(home: Path, ports: dict[str, int]) -> list[str]:
    """What stands in the way, each as one line; empty if nothing does."""
    found = []
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        found.append(f"Python {sys.version.split()[0]} is not 3.11 to 3.13 → make demo PYTHON=python3.12")
    memory = available_memory_mb()
    if memory is not None and memory < FREE_MEMORY_MB:
        found.append(
            f"{memory} MB of memory are free, Airflow and the gate want {FREE_MEMORY_MB} → close other programs"
        )
    home.mkdir(parents=True, exist_ok=True)
    disk = shutil.disk_usage(home).free // 2**20
    if disk < FREE_DISK_MB:
        found.append(
            f"{disk} MB are free below {home}, {FREE_DISK_MB} are wanted → free some, or: make demo HOME_DIR=/other/disk"
        )
    found += [
        f"port {port} ({what}) is taken → stop what listens there, or: make demo {variable(what)}={port + 100}"
        for what, port in ports.items()
        if taken(port)
    ]
    return found


def taken(port: int) -> bool:
    """Whether something listens on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def available_memory_mb() -> int | None:
    """Memory that programs may still take, in MiB; None where the system does not say."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return None
    fields = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) // 1024


def variable(what: str) -> str:
    """The make variable that moves a port."""
    return f"{what.upper().replace(' ', '_')}_PORT"


def main() -> int:
    """Check, and say what stands in the way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    for what in ("airflow", "hub", "rest"):
        parser.add_argument(f"--{what}-port", type=int, required=True)
    given = parser.parse_args()
    ports = {"airflow": given.airflow_port, "hub": given.hub_port, "rest": given.rest_port}
    found = faults(given.home, ports)
    sys.stderr.write("".join(f"✗ {fault}\n" for fault in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
