"""kill -9 while a corrected file is taken back: its rows are published once and leave quarantine, or nothing has happened."""

import io
from collections.abc import Callable

from faults_bench import CANARY, SEEDS, Bench, city
from faults_oracle import Oracle, Tally

from hub.repair.handout import export
from lake import crash

EVERY = tuple(p for p in crash.POINTS if not p.startswith("judge."))
SEAMS = EVERY if SEEDS else ("publish.quarantine-committed", "commit.after")


def corrected(bench: Bench, name: str) -> str:
    """The path of the file that goes out, with every name filled in."""
    file = io.BytesIO()
    export(bench.hub, bench.hub.contract("people"), "csv", file)
    path = bench.department.drop / "fixed.csv"
    header, *rows = file.getvalue().decode("utf-8-sig").splitlines()
    place = header.split(",").index("姓名")
    cells = [row.split(",") for row in rows]
    lines = [header, *(",".join([*row[:place], name, *row[place + 1 :]]) for row in cells)]
    path.write_text("\r\n".join(lines) + "\r\n", encoding="utf-8-sig")
    return str(path)


def test_a_kill_at_any_seam_of_an_upload_leaves_it_whole_or_undone_and_the_same_request_ends_it(
    bench_of: Callable[[str], Bench], tally: Tally
) -> None:
    bench = bench_of("snapshot")
    oracle = Oracle(bench, tally)
    bench.source(city(1))
    assert bench.pull() == "exit 0"
    aside = bench.quarantined()
    assert aside
    for number, seam in enumerate(SEAMS):
        tally.at(seam)
        name, before = CANARY + "甲乙丙丁戊己庚辛壬癸子丑"[number], bench.current()
        after = before | {key: (name, bench.rows[key][2]) for key in aside}
        upload = {"task": "faults_returns", "owner": f"upload {number}", "FAULTS_RETURNED": corrected(bench, name)}
        assert bench.crash(seam, **upload) == "signal 9", seam
        tally.count("faults")
        oracle.check_loads()
        oracle.check_either(before, after)
        assert bench.quarantined() == ([] if bench.current() == after else aside), seam
        assert bench.pull(**upload) == "exit 0"
        assert (bench.current(), bench.quarantined()) == (after, []), seam
        oracle.check_loads()
        oracle.check_no_leak()
        assert bench.pull() == "exit 0", "the source still holds the bad rows, and the corrected ones stay"
        assert (bench.current(), bench.quarantined()) == (after, aside)
