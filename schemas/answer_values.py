"""One answer as people write it, and as an ODCS document holds it: `text_of` and `value_of`, each other's inverse."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

import yaml

from schemas.odcs_reader import CYCLES, HOURS, cycle_of
from schemas.odcs_walk import VENDOR, custom
from schemas.questions import Question

_TRUE, _FALSE = ("是", "yes", "y", "true", "1", "√"), ("否", "no", "n", "false", "0")


class WrongAnswer(ValueError):
    """The answer is not what the question wants."""


def text_of(asked: Question, value: Any) -> str:
    """What the document holds, as a person writes it; empty if there is nothing."""
    match asked.kind:
        case "cycle":
            return _cycle(value)
        case "hours":
            return _hours(value) if asked.name != "cycle_hours" or not _usual(value) else ""
        case "days":
            return str(int(float(_hours(value)) / 24)) if value else ""
        case "date":
            return str(value["value"]) if value else ""
        case "flag":
            return {True: "是", False: "否"}.get(value, "") if value is not None else ""
        case "several" | "words":
            return ", ".join(map(str, value or ()))
        case "yaml":
            return _flow(value) if value else ""
        case "pairs":
            return _paired(_pairs(asked, value))
        case _:
            return "" if value is None else str(value)


def value_of(asked: Question, text: str) -> Any:
    """The answer as the document holds it. Raises WrongAnswer."""
    folded = unicodedata.normalize("NFKC", text).strip()
    match asked.kind:
        case "number" | "key":
            return number_of(folded)
        case "flag":
            return _flag(folded)
        case "choice":
            return _chosen(asked, folded.split()[0])
        case "several":
            return [_chosen(asked, word.split()[0]) for word in re.split(r"[,;、\n]+", folded) if word.strip()]
        case "words":
            return [word.strip() for word in re.split(r"[,;、，；\n]+", text) if word.strip()]
        case "yaml":
            return _parsed(text)
        case "pairs":
            return _of_pairs(asked, _parse_pairs(text))
        case "cycle":
            return _of_cycle(text if text.startswith("其他") else folded.split()[0])
        case "hours" | "days":
            number = number_of(folded)
            if number <= 0:
                raise WrongAnswer(text)
            return {"property": asked.path.partition(":")[2], "value": number, "unit": asked.kind[0]}
        case "date":
            with suppress(ValueError):
                return {"property": asked.path.partition(":")[2], "value": date.fromisoformat(folded[:10]).isoformat()}
            raise WrongAnswer(text)
        case "text":
            return text


def number_of(text: str) -> int | float:
    """The number that is written, a whole one as such. Raises WrongAnswer."""
    with suppress(ValueError):
        return int(text)
    with suppress(ValueError):
        number = float(text)
        if abs(number) < 1e15:
            return int(number) if number.is_integer() else number
    raise WrongAnswer(text)


def _flag(text: str) -> bool:
    word = text.split()[0].lower()
    if word not in (*_TRUE, *_FALSE):
        raise WrongAnswer(text)
    return word in _TRUE


def _chosen(asked: Question, word: str) -> Any:
    """The choice that begins with the word, or is called by it."""
    for choice in asked.choices:
        if word.lower() in (choice.value.lower(), choice.zh.lower() or None):
            return int(choice.value) if choice.value.isdigit() else choice.value
    raise WrongAnswer(word)


def _parsed(text: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise WrongAnswer(text) from None
    if not isinstance(value, dict):
        raise WrongAnswer(text)
    return value


def _parse_pairs(text: str) -> list[tuple[str, str]]:
    """`男=1; 女=2`, one a line or with semicolons; or a mapping in YAML for texts that hold either."""
    if text.startswith("{"):
        return [(str(k), str(v)) for k, v in _parsed(text).items()]
    found = []
    for part in re.split(r"[;；\n]+", text):
        if part.strip():
            left, sign, right = part.replace("＝", "=").partition("=")
            found.append((left.strip(), right.strip() if sign else ""))
    return found


def _paired(pairs: Sequence[tuple[str, str]]) -> str:
    if any(re.search(r"[;；=＝\n{]|^\s|\s$", part) for pair in pairs for part in pair):
        return _flow(dict(pairs))
    return "; ".join(f"{left}={right}" if right else left for left, right in pairs)


def _of_pairs(asked: Question, pairs: list[tuple[str, str]]) -> Any:
    if asked.name == "enum":
        return [{"value": value, **({"label": label} if label else {})} for value, label in pairs]
    if any(not right for _, right in pairs):
        raise WrongAnswer(asked.name)
    return [{"kind": kind, "key": key} for kind, key in pairs] if asked.name == "subjects" else dict(pairs)


def _pairs(asked: Question, value: Any) -> list[tuple[str, str]]:
    match asked.name:
        case "enum":
            return [(str(v["value"]), str(v.get("label") or "")) for v in value or ()]
        case "subjects":
            return [(str(v["kind"]), str(v["key"])) for v in value or ()]
        case _:
            return [(str(k), str(v)) for k, v in (value or {}).items()]


def _hours(level: Mapping[str, Any] | None) -> str:
    if not level:
        return ""
    hours = float(level.get("value") or 0) * HOURS.get(str(level.get("unit") or "d"), 24)
    return str(int(hours) if hours.is_integer() else hours)


def _cycle(level: Mapping[str, Any] | None) -> str:
    if not level:
        return "不定期"
    return str(custom(dict(level), "updateCycle") or cycle_of(float(_hours(level))))


def _usual(level: Mapping[str, Any] | None) -> bool:
    """Whether the hours are those that the cycle says by itself."""
    return not level or float(_hours(level)) == (CYCLES.get(_cycle(level)) or 8784)


def _of_cycle(cycle: str) -> dict[str, Any] | None:
    if cycle not in CYCLES and not re.fullmatch(r"其他[：:].+", cycle):
        raise WrongAnswer(cycle)
    if cycle == "不定期":
        return None
    said = {"property": "updateCycle", "value": cycle.replace(":", "："), "vendor": VENDOR}
    return {"property": "frequency", "value": int(CYCLES.get(cycle) or 8784), "unit": "h", "customProperties": [said]}


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False, default_flow_style=True, width=100_000).strip()
