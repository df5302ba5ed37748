"""A form answered from a file as the store keeps it is the form answered from the same file in its canonical form, whatever the history."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_city import ANN, CONTRACTS, City
from test_subject_files import PEOPLE, days, publish, with_policy
from town import town_of

from prefill.answer import Asked, prefill
from prefill.envelope import Answer
from prefill.forms import Form, FormField
from prefill.paths import LatestPath, RowsPath, every, parse
from prefill.seal import SealKey
from prefill.sources import SourceState, state
from prefill.world import World
from subjects.file import SubjectFile
from subjects.kinds import Conflict, Kind

KEY = SealKey("s1", bytes(32))
NOW = datetime(2026, 5, 4, 3, tzinfo=UTC)


def form_of(kind: Kind) -> Form:
    """Every path of the kind as a field, the lists' newest entries also under a condition and with a fallback."""
    paths = [path for text in every(kind) if not isinstance(path := parse(text, kind), RowsPath)]
    fields = [
        FormField(f"f{n}", "栏", "Field", (path,), locked=n % 2 == 0, suppliers=tuple(kind.datasets), labels={"a": "甲"} if n % 3 else {})
        for n, path in enumerate(paths)
    ]  # fmt: skip
    latest = [path for path in paths if isinstance(path, LatestPath)]
    fields += [
        FormField("fallback", "栏", "Field", (latest[0], *paths), suppliers=tuple(kind.datasets)),
        FormField("upper", "栏", "Field", (paths[1],), transform="upper", suppliers=tuple(kind.datasets)),
        FormField("reason", "原因", "Reason"),
    ]
    return Form("all", "1.0.0", "全", "All", kind.name, "局", "Bureau", tuple(fields))


def states(mood: str) -> dict[str, SourceState]:
    """Every source fresh, or the residents' held, or the permits' late."""
    found = {dataset: state(contract, None, "ok", "") for dataset, contract in CONTRACTS.items()}
    read = {"status": "ok", "latency": timedelta(hours=24), "as_of": NOW - timedelta(hours=1)}
    sources = {dataset: replace(one, **read) for dataset, one in found.items()}
    if mood == "held":
        sources["residents"] = replace(sources["residents"], status="held", reason="why")
    if mood == "late":
        sources["permits"] = replace(sources["permits"], as_of=NOW - timedelta(hours=30))
    return sources


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    history=days(), later=days(), conflict=st.sampled_from(get_args(Conflict)), mood=st.sampled_from(["fresh", "held", "late"]),
    withheld=st.sampled_from([(), ("f1", "f4")]),
)  # fmt: skip
def test_a_stored_file_answers_as_its_canonical_form_does(
    kinds: dict[str, Kind], history: Any, later: Any, conflict: Conflict, mood: str, withheld: tuple[str, ...]
) -> None:
    city, kinds = City(), with_policy(kinds, conflict)
    form, world = form_of(kinds["person"]), World(states(mood), NOW, KEY)
    asked = Asked(withheld=withheld)

    def answer(file: SubjectFile, world: World) -> Answer:
        return prefill(form, file, world, asked, client="portal", subject="s")

    with town_of(city, kinds) as town:
        for loads in (history, later):
            for load in loads:
                publish(city, load)
            town.run()
            files = [file for person in PEOPLE if (file := town.find(person)) is not None]
            for file in files:
                assert file.packed is not None
                canonical = SubjectFile(file.kind, file.body)
                assert answer(file, world) == answer(canonical, World(states(mood), NOW, KEY))


def test_what_is_told_alike_of_many_is_kept_and_belongs_to_one_load(kinds: dict[str, Kind]) -> None:
    city = City()
    form, world = form_of(kinds["person"]), World(states("fresh"), NOW, KEY)
    with town_of(city, kinds) as town:
        for day, name in enumerate(("安某", "安新")):
            city.publish("residents", [{"citizen_id": ANN, "name": name}])
            town.run()
            answer = prefill(form, town.file(ANN), world, client="portal", subject="s")
            told = {(f.value, f.load, f.run) for f in answer.fields if f.dataset == "residents" and f.value}
            assert {value for value, _, _ in told} == {name}
            assert {load for _, load, _ in told} == {day + 1}
