"""The scorecards' pages and JSON: both languages, charts without scripts or outside assets, and charts that say what the numbers say."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from serving_city import City, Http

from quality import scorecard
from quality.cards import Card, Department
from quality.scorecard import Published, RuleScore
from schemas.errors import NotFound
from serving.scorecards import floor, line
from serving.services import Scorecards

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
RULES = (
    RuleScore("name.required", "name", "completeness", "error", 200, 1, "姓名 未填", "name is missing"),
    RuleScore("sex.code", "sex", "validity", "warning", 200, 90, "性别 已废止", "sex <is> retired"),
)


def card(dataset: str, *ages: float) -> Card:
    published = [Published(n, NOW - timedelta(hours=age), RULES) for n, age in enumerate(ages, 1)]
    days = [NOW.date() - timedelta(days=n) for n in range(3)]
    trend = scorecard.days(published, days, 24, NOW)
    return Card(dataset, "常住人口", "Residents", "市公安局", "Police", "11440300MB2C90001A", trend)


@pytest.fixture
def http(city: City) -> Http:
    cards = {"residents": card("residents", 50, 3), "empty": card("empty")}

    def one(dataset: str, _days: int) -> Card:
        if dataset not in cards:
            raise NotFound("there is no such dataset")
        return cards[dataset]

    department = Department("11440300MB2C90001A", "市公安局", "Police", tuple(cards.values()))
    served = Scorecards(lambda _days, only: [department] if only in ("", "市公安局") else [], one)
    return Http(city.with_services(scorecards=served))


@pytest.mark.parametrize("path", ["/scorecards", "/scorecards/residents", "/scorecards/empty"])
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_pages_speak_both_languages_and_bring_nothing_from_outside(http: Http, path: str, lang: str) -> None:
    answer = http.get(f"{path}?lang={lang}")
    assert (answer.status_code, answer.headers["content-language"]) == (200, lang)
    assert ("总分" in answer.text) == (lang == "zh")
    assert ("Overall" in answer.text) == (lang == "en")
    assert not re.search(r"<script|<style|style=|https?://|@import|url\(", answer.text)
    assert len(re.findall("<h1", answer.text)) == 1


def test_one_dataset_shows_score_reasons_charts_and_rules_behind_them(http: Http) -> None:
    text = http.get("/scorecards/residents?lang=en").text
    assert "values or records that must be there are missing" in text
    assert 'href="#name.required"' in text
    assert 'id="name.required"' in text
    assert "sex &lt;is&gt; retired" in text, "words are escaped"
    assert text.count('role="img"') == 4, "overall and the three dimensions that were measured"
    assert text.count("<polyline") >= 4
    assert "99.5" in text


def test_a_dataset_that_was_never_published_says_so_and_draws_nothing(http: Http) -> None:
    text = http.get("/scorecards/empty?lang=en").text
    assert "never published" in text
    assert "<polyline" not in text


def test_an_unknown_dataset_is_not_found_for_people_and_programs(http: Http, city: City) -> None:
    assert http.get("/scorecards/nothing").status_code == 404
    answer = http.get("/v1/scorecards/nothing", headers={"Authorization": f"Bearer {city.token()}"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_programs_get_the_same_figures_with_a_token(http: Http, city: City) -> None:
    bearer = {"Authorization": f"Bearer {city.token()}"}
    assert http.get("/v1/scorecards").status_code == 401
    (department,) = http.get("/v1/scorecards", headers=bearer).json()
    assert [d["dataset"] for d in department["datasets"]] == ["residents", "empty"]
    one = http.get("/v1/scorecards/residents?days=3", headers=bearer).json()
    assert one["dimensions"]["completeness"] == 99.5
    assert [t["day"] for t in one["trend"]] == [f"2026-{d}" for d in ("02-28", "03-01", "03-02")]
    assert one["rules"][0]["en"] == "sex <is> retired"
    assert http.get("/v1/scorecards?days=0", headers=bearer).status_code == 422


def test_a_line_has_a_gap_where_there_is_no_score_and_its_axis_begins_where_losses_are() -> None:
    assert line([100, 0, 50]) == ["0.0,0.0 150.0,100.0 300.0,50.0"]
    assert line([None, 90, 100], 90) == ["150.0,100.0 300.0,0.0"]
    assert len(line([100, None, 100])) == 2
    assert line([None]) == line([]) == []
    assert [floor(values) for values in ([99, None], [89.9, 100], [None])] == [90, 0, 0]


def test_a_score_that_is_not_whole_never_shows_as_whole(http: Http) -> None:
    whole = replace(card("x", 3).today, dimensions={"completeness": 99.996}, day=date(2026, 3, 2))
    from quality import cards

    assert cards.rounded(whole.overall) == 99.9
