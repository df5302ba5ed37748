"""A process in which a department's corrected file comes back, or a release is made; see faults_zygote.py."""

import os
from typing import Any

from hub.core import Hub
from hub.repair.release import release
from hub.repair.returns import take_back
from hub.trail import open_log


def run(hub: Hub, request: dict[str, Any]) -> None:
    """Take back the file that the environment names; without one, release."""
    file = os.environ.get("FAULTS_RETURNED")
    if file is None:
        print(release(hub, request["dataset"], owner=request["owner"]).phase)
        return
    contract = hub.contract(request["dataset"])
    with open(file, "rb") as opened, open_log(hub, "faults") as log:  # noqa: PTH123 - as a caller's body comes
        answer = take_back(hub, contract, opened, "csv", "fixed.csv", owner=request["owner"], who="w", record=log.write)
    print(answer["accepted"], answer["wrong"])
