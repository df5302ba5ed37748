"""The demo's client of Airflow asks again where the server fails, and never starts a run twice."""

import json

import httpx
import pytest

from examples.demo_city import airflow_client
from examples.demo_city.airflow_client import AirflowClient


@pytest.mark.parametrize("answers", [(200,), (500, 200), (500, 409), (500, 500, 200)])
def test_a_run_is_asked_for_again_under_the_same_id(monkeypatch: pytest.MonkeyPatch, answers: tuple[int, ...]) -> None:
    monkeypatch.setattr(airflow_client.time, "sleep", lambda _seconds: None)
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content)["dag_run_id"])
        return httpx.Response(answers[len(asked) - 1])

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://airflow") as http:
        client = AirflowClient("http://airflow", "admin", "-")
        client.http.close()
        client.http = http
        run = client.trigger("dataset.residents")
    assert asked == [run] * len(answers)


def test_what_keeps_failing_and_what_is_refused_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_client.time, "sleep", lambda _seconds: None)
    for status in (500, 404):
        with httpx.Client(
            transport=httpx.MockTransport(lambda _, status=status: httpx.Response(status)),  # type: ignore[misc]
            base_url="http://airflow",
        ) as http:
            client = AirflowClient("http://airflow", "admin", "-")
            client.http.close()
            client.http = http
            with pytest.raises(httpx.HTTPStatusError):
                client.trigger("dataset.residents")
