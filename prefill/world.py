"""What every answer of a moment shares, worked out once: the hour, the sources' states and what they leave in doubt."""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

import msgspec

from prefill.envelope import Reason
from prefill.seal import SealKey
from prefill.sources import SourceState, doubt, told, zone
from schemas.struct import Quick


class World(Quick, frozen=True, dict=True, gc=True):
    """The sources' states, the hour, the city's time zone (its days end there), the seals' key.

    `frames` keeps, for as long as these states are in force, what is told alike of everybody's values: hand the same one in with the same states.
    """

    datasets: Mapping[str, SourceState]
    now: datetime
    key: SealKey
    timezone: str = "Asia/Shanghai"
    sandbox: bool = False
    frames: dict[Any, Any] = msgspec.field(default_factory=dict)

    @cached_property
    def today(self) -> str:
        """The city's day."""
        return self.now.astimezone(zone(self.timezone)).date().isoformat()

    @cached_property
    def answered_at(self) -> str:
        """The hour as answers tell it."""
        return told(self.now)

    def tagged(self, names: tuple[str, ...], datasets: tuple[str, ...]) -> bytes:
        """What goes into the tag of every answer with these fields from these datasets, whatever a file holds."""
        found = self._tagged.get((names, datasets))
        if found is None:
            known = [(d, s) for d in datasets if (s := self.datasets.get(d))]
            states = [(d, s.load, s.as_of_text, s.available_text, self.doubt(d)) for d, s in known]
            found = self._tagged[names, datasets] = msgspec.msgpack.encode((names, self.today, states))
        return found

    def doubt(self, dataset: str) -> Reason | None:
        """Why the dataset's records may not be the newest; None where they are fresh."""
        if dataset not in self._doubts:
            self._doubts[dataset] = doubt(dataset, self.datasets.get(dataset), self.now, self.timezone)
        return self._doubts[dataset]

    @cached_property
    def _doubts(self) -> dict[str, Reason | None]:
        return {"": None}  # what no dataset holds comes with the request: the identifier

    @cached_property
    def _tagged(self) -> dict[tuple[tuple[str, ...], tuple[str, ...]], bytes]:
        return {}
