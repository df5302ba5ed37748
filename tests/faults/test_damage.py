"""Bytes that change after they were written: found before they become data."""

import os
import signal
from collections.abc import Callable

from faults_bench import Bench, city, later
from faults_oracle import Oracle, Tally

from lake import landing


def test_a_flipped_bit_in_a_landing_stops_the_run(bench_of: Callable[[str], Bench], tally: Tally) -> None:
    bench = bench_of("files")
    bench.source(city(1))
    assert bench.pull() == "exit 0"
    bench.source(later(bench.rows, 1))
    run = bench.start(HUB_CRASH_AT="land.after-manifest", HUB_CRASH_SIGNAL="STOP", owner="me")
    assert bench.zygote.wait(run) == "stopped"
    (newest,) = [r for r in bench.runs() if r.owner == "me"]
    (file,) = (p for p in landing.folder(bench.hub.lake, "people", newest.run).iterdir() if p.suffix == ".csv")
    content = bytearray(file.read_bytes())
    content[-3] ^= 1
    file.write_bytes(content)
    os.kill(run, signal.SIGCONT)
    assert bench.zygote.wait(run) == "source-damaged"
    tally.count("faults")
    oracle = Oracle(bench, tally)
    oracle.check_either(bench.before)
    oracle.check_recovery()
