"""Named crash points: where the fault suites kill the process.

`HUB_CRASH_AT=commit.before` makes `point("commit.before")` end the process as a power cut would: no cleanup, no flush.
`HUB_CRASH_AT=commit.before:3` spares the first two passes; `HUB_CRASH_SIGNAL=STOP` freezes the process instead, to make a zombie.
Unset, a point costs one dictionary look-up.
"""

import os
import signal
from collections import Counter

POINTS = (
    "read.claimed", "land.part", "land.before-manifest", "land.after-manifest",
    "judge.before-verdict", "judge.after-verdict",
    "publish.quarantine-committed", "append.written", "append.synced",
    "commit.before", "commit.after", "commit.synced", "tell.before", "tell.after",
)  # fmt: skip
PUSH_POINTS = ("push.received", "push.before-receipt", "push.after-receipt")
"""Seams of taking in a pushed batch, which no pull passes."""
SUBJECT_POINTS = (
    "subjects.planned", "subjects.part", "subjects.before-pointer", "subjects.after-pointer",
    "subjects.begun", "subjects.stored", "subjects.swept", "subjects.finished", "subjects.marked",
)  # fmt: skip
"""The same for a build of subject files."""
_passed: Counter[str] = Counter()


def point(name: str) -> None:
    """Kill (or freeze) this process if the environment asks for it at `name`."""
    wanted = os.environ.get("HUB_CRASH_AT")
    if wanted is None:
        return
    target, _, nth = wanted.partition(":")
    if target == name:
        _passed[name] += 1
        if _passed[name] >= int(nth or 1):
            os.kill(os.getpid(), signal.Signals[f"SIG{os.environ.get('HUB_CRASH_SIGNAL', 'KILL')}"])
