"""kill -9 of who answers and of who builds subject files: no answer without its audit entry, one file per person, as if nothing had been."""

import json
import os
import random
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from faults_bench import SEEDS, Bench, city, later
from faults_oracle import Oracle, Tally

from access.audit_seal import Signer
from access.audit_verify import verify
from hub.filing import subject_files
from lake import crash
from ledger import audit

PERSON = Path(__file__).parent / "person.yaml"
LIVES = SEEDS or 2


def test_every_answer_that_a_killed_process_released_is_in_the_audit_and_the_chains_verify(
    bench_of: Callable[[str], Bench], tally: Tally
) -> None:
    bench = bench_of("snapshot")
    pipe = bench.root / "released"
    os.mkfifo(pipe)
    checker = [Signer(bench.hub.key("audit")).public_pem]
    dice, released = random.Random(1), set()
    for life in range(LIVES):
        child = bench.start(task="faults_answers", owner=f"life{life}", FAULTS_PIPE=str(pipe))
        with pipe.open("rb", buffering=0) as answers:
            heard = b""
            enough = dice.randrange(1, 200 if SEEDS else 40)
            while heard.count(b"\n") < enough:
                heard += answers.read(4096)
            os.kill(child, signal.SIGKILL)
            while more := answers.read(4096):
                heard += more
        assert bench.zygote.wait(child) == "signal 9"
        tally.count("faults")
        released |= set(heard.decode().split("\n")[:-1])
        written = {json.loads(link.body).get("subject") for link in audit.links(bench.hub.audit)}
        assert released <= written, "an answer is released after its entry is on the disk"
        assert verify(bench.hub.audit, checker).ok
        tally.count("A")
    bench.hub.audit.dispose()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("point", crash.SUBJECT_POINTS)
def test_a_build_of_subject_files_killed_at_any_seam_ends_with_one_right_file_per_person(
    bench_of: Callable[[str], Bench], tally: Tally, point: str
) -> None:
    bench = bench_of("snapshot")
    declared = bench.hub.settings.declared / "subjects"
    declared.mkdir(parents=True)
    (declared / "person.yaml").write_bytes(PERSON.read_bytes())
    tally.at(point)
    store = subject_files.store(bench.hub)
    for seed in range(max(LIVES, 2)):  # first everybody's build, then those of the touched
        bench.source(later(bench.rows, seed) if seed else city(seed))
        assert bench.pull() == "exit 0"
        assert bench.pull(task="subjects", HUB_CRASH_AT=point) == "signal 9"
        tally.count("faults")
        assert bench.pull(task="subjects") == "exit 0"
        now = bench.current()
        assert store.count("person") == len(now)
        for key, (name, n) in now.items():
            file = subject_files.subject(bench.hub, "person", key)
            assert file is not None
            assert [value.value for value in (file.held("name"), file.held("number")) if value] == [name, n]
        tally.count("D")
        tally.count("R")
        Oracle(bench, tally).check_converged()
    bench.hub.subjects.dispose()
