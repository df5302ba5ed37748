"""How fast a department's GB 18030 CSV becomes batches of exact text, beside pyarrow's own reader of the same file.

`python benchmarks/decode_csv.py [--rows 2000000]` writes a file of fictitious licences, then runs each reader three times in a process of its
own, in turn, and prints the medians, their ratio and each one's peak memory. `--quoted` puts every value in quotes.
"""

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEADER = "序号,证件号码,字号名称,经营者,性别,发证日期,经营场所,联系电话,登记机关,状态,更新时间,注册资本,备注,档案编号"
ROADS = ("浦东新区世纪大道", "黄浦区人民大道", "徐汇区漕溪北路", "静安区南京西路")
RUNS = 3


def write(path: Path, rows: int, *, quoted: bool) -> None:
    pick = random.Random(20260501)
    with path.open("w", encoding="gb18030", newline="") as file:
        file.write(HEADER + "\r\n")
        for i in range(rows):
            row = (
                f"{i}", f"TEST{i:014d}", f"示例{i % 9973}号小吃店", f"某{'甲乙丙丁戊己庚辛'[i % 8]}", "男" if i % 2 else "女",
                f"20{i % 25:02d}-0{i % 9 + 1}-1{i % 10}", f"上海市{pick.choice(ROADS)}{i % 1999}号", f"000{i:08d}",
                f"市场监督管理局第{i % 16}所", "有效", f"2026-05-0{i % 9 + 1} 08:30:00", f"{i % 9999}.{i % 100:02d}",
                "无" if i % 3 else "", f"D{i:09d}",
            )  # fmt: skip
            file.write((",".join(f'"{value}"' for value in row) if quoted else ",".join(row)) + "\r\n")


def run(reader: str, path: Path) -> None:
    """One timing in this process: seconds, rows, peak MiB."""
    if reader == "pyarrow":
        from pyarrow import csv

        started = time.perf_counter()  # imports are not timed
        rows = csv.read_csv(path, read_options=csv.ReadOptions(encoding="gb18030")).num_rows
    else:
        import connectors
        from schemas.contract import Source

        source = Source("csv", "file://", path.name, encoding="gb18030")
        started = time.perf_counter()
        rows = sum(batch.num_rows for batch in connectors.decode(path, "csv", source))
    print(time.perf_counter() - started, rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--quoted", action="store_true")
    parser.add_argument("--run", nargs=2, metavar=("READER", "FILE"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.run:
        run(wanted.run[0], Path(wanted.run[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "licences.csv"
        write(path, wanted.rows, quoted=wanted.quoted)
        print(f"{wanted.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB GB 18030, medians of {RUNS}")
        found: dict[str, list[tuple[float, int]]] = {"pyarrow": [], "cityhub": []}
        for _ in range(RUNS):
            for reader, figures in found.items():
                command = [sys.executable, __file__, "--run", reader, str(path)]
                seconds, rows, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
                assert int(rows) == wanted.rows, f"{reader} read {rows} rows"
                figures.append((float(seconds), int(peak)))
    medians = {reader: statistics.median(s for s, _ in figures) for reader, figures in found.items()}
    for reader, figures in found.items():
        print(f"{reader:8} {medians[reader]:6.2f} s  peak {max(peak for _, peak in figures):5d} MiB")
    print(f"ratio    {medians['cityhub'] / medians['pyarrow']:6.2f}")


if __name__ == "__main__":
    main()
