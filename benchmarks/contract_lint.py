"""What `datacontract lint` says of our contracts: `python benchmarks/contract_lint.py [FILE …]`.

datacontract-cli is a peer with a lock of its own (`peers/datacontract.txt`), installed into `.peers/` on first use. Each contract below
`examples/` is linted; exit code 1 if one does not pass.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "benchmarks" / "peers" / "datacontract.txt"
ROOM = ROOT / ".peers" / "datacontract"


def tool() -> Path:
    """The command, installed from the lock if it is not there or the lock is newer."""
    command, mark = ROOM / "bin" / "datacontract", ROOM / "installed"
    if not mark.exists() or mark.read_bytes() != LOCK.read_bytes():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ROOM)], check=True)
        pip = [str(ROOM / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(LOCK)], check=True)
        mark.write_bytes(LOCK.read_bytes())
    return command


def main(given: list[str]) -> int:
    """Lint and print a line for each contract; the exit code."""
    files = [Path(name) for name in given] or sorted((ROOT / "examples").rglob("*.odcs.yaml"))
    command, failed = tool(), 0
    for file in files:
        done = subprocess.run([str(command), "lint", str(file)], capture_output=True, text=True, check=False)
        print(f"{'passed' if done.returncode == 0 else 'FAILED'}  {file}")
        if done.returncode:
            failed += 1
            print(done.stdout, done.stderr)
    print(f"{len(files) - failed} of {len(files)} pass")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
