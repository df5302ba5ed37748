"""Every message of the code has its Chinese, and the catalogue no message that nobody says."""

import ast
import re

import pytest
from code_messages import Module, Site, sites, sites_of, strings

from schemas.errors import ContractInvalid, Problem
from schemas.messages import in_chinese, rows

PLACE = re.compile(r"\{(\d?)(:zh)?\}")

BY_OTHERS = frozenset({
    "{} is a required property", "{} is not of type {}", "{} is not one of {}", "{} does not match {}",
    "Additional properties are not allowed ({} was unexpected)", "Additional properties are not allowed ({} were unexpected)",
    "Unevaluated properties are not allowed ({} was unexpected)", "Unevaluated properties are not allowed ({} were unexpected)",
    "Field required", "Extra inputs are not permitted",
})  # fmt: skip
"""What jsonschema and pydantic say of a declared file, as far as it is met often."""
_REFUSED = (
    "is not in HUB_REACHABLE", "is this machine itself",
    "is no source's address (link-local, metadata, multicast, unspecified or reserved)",
)  # fmt: skip
PUT_TOGETHER = {
    "{}; {}", "has unknown column {}", "has twice {}", "no file {} in the drop root (beside it: {})",
    *(f"{{}}: {what} {{}} has a value beyond the last named column" for what in ("line", "record")),
    *(f"{{}} leads to {{}}, which {why}" for why in _REFUSED),
}  # fmt: skip
"""What the code joins from parts."""
NOT_FOLLOWED = {
    ("access/grant_code.py", "fault['msg']"): "pydantic's words",
    ("connectors/options.py", "str(default)"): "a number",
    ("connectors/wire.py", "todo"): "given by each caller, who names it `todo=` itself",
    ("dags/calls.py", "done.reason"): "another error's text, kept with the run",
    ("hub/registration/grounds.py", "department"): "a department's code",
    (
        "hub/registration/registry.py",
        "'\\n  '.join(wrong)",
    ): "lines of differences (schemas.diff), each looked up by itself",
    ("hub/registration/registry.py", "text"): "an authority in words (ledger.authorities)",
    ("hub/sharing/requests.py", "weight.reason"): "said by access.approval",
    ("quality/stated.py", "str(error)"): "NotAPredicate's words, which are followed where it is raised",
    ("schemas/meaning.py", "f'logicalType: {element.logical_types[0]}'.replace('decimal', 'number')"): "an example",
    ("schemas/odcs_limits.py", "wrong"): "the module's tables, walked in loops",
    ("schemas/odcs_limits.py", "right"): "the module's tables, walked in loops",
    ("schemas/odcs_reader.py", "' '.join(CYCLES)"): "the standard's own words",
    ("schemas/odcs_standard.py", "e['msg']"): "pydantic's words",
    ("schemas/odcs_standard.py", "leaf.message[:300]"): "jsonschema's words",
    ("schemas/odcs_standard.py", "f'{error.validator}: {wanted}'[:120]"): "a rule of the standard's schema",
    ("schemas/odcs_walk.py", "wrong"): "given by each caller, whose own call tells it",
    ("schemas/odcs_walk.py", "example"): "given by each caller, whose own call tells it",
    ("serving/prefill_answers.py", "str(error)"): "msgspec's words, for programs",
    ("serving/problems.py", "'; '.join(faults)"): "fields with words of the module's table",
    ("subjects/declared_file.py", "error.message[:300]"): "jsonschema's words",
    ("subjects/declared_file.py", "examples[0]"): "the schema's example",
    ("subjects/declared_file.py", "f'{error.validator}: {error.validator_value}'[:120]"): "a rule of the schema",
    ("subjects/declared_file.py", "json.dumps(value, ensure_ascii=False)"): "the schema's example",
}
"""What the walk cannot follow, and why that needs no row of its own, or where its rows come from."""


@pytest.fixture(scope="module")
def told() -> list[Site]:
    return list(sites())


def test_every_message_of_the_code_has_its_chinese(told: list[Site]) -> None:
    known = rows()
    missing = {text: f"{site.file}:{site.line}" for site in told for text in site.texts if text not in known}
    assert len(told) > 400
    assert missing == {}, "add a row for each to schemas/data/messages.zh.csv (no Chinese: it stays as typed)"


def test_the_catalogue_has_no_message_that_nobody_says(told: list[Site]) -> None:
    said = {text for site in told for text in site.texts} | strings()
    assert rows().keys() - said == BY_OTHERS | PUT_TOGETHER


def test_what_cannot_be_followed_is_listed_with_its_reason(told: list[Site]) -> None:
    assert {(site.file, what) for site in told for what in site.lost} == NOT_FOLLOWED.keys()


def test_texts_are_followed_to_where_they_are_written() -> None:
    code = """
_AGAIN = "try again"
_WHY = {"late": ("it is late", "wait")}
def _refuse(what, todo=_AGAIN):
    raise Forbidden(f"{place} {what}", todo=todo)
def go(kind, given):
    _refuse("is locked by somebody" if given else "is gone for good")
    what, todo = _WHY[kind]
    raise Invalid(what + ", sorry", todo=todo)
    raise Invalid(given.text, todo=f"see: {given}")
"""
    found = list(sites_of(Module("x.py", ast.parse(code))))
    assert {text for site in found for text in site.texts} == {
        "{} is locked by somebody", "{} is gone for good", "try again", "it is late, sorry", "wait", "see: {}",
    }  # fmt: skip
    assert {what for site in found for what in site.lost} == {"given.text"}


def test_each_message_is_found_by_its_own_words_and_keeps_what_fills_its_places() -> None:
    wrong = {}
    for english, chinese in rows().items():
        values = [f"‹{number}›" for number in range(1, english.count("{}") + 1)]
        told, order = english, iter(values)
        for value in values:
            told = told.replace("{}", value, 1)
        expected = PLACE.sub(lambda at: values[int(at[1]) - 1] if at[1] else next(order), chinese)  # noqa: B023
        if in_chinese(told) != (expected or told) or (next(order, None) and "{}" in chinese):
            wrong[told] = in_chinese(told)
    assert wrong == {}


def test_a_place_is_filled_in_order_or_by_number_never_by_both() -> None:
    marks = {
        chinese: {bool(number) for number, _ in PLACE.findall(chinese)} for en, chinese in rows().items() if "{}" in en
    }
    assert [chinese for chinese, kinds in marks.items() if len(kinds) > 1] == []


def test_what_the_hub_says_within_a_message_is_in_chinese_too() -> None:
    assert in_chinese("request R7 is withdrawn: it cannot be approved") == "申请 R7 当前为“已撤回”，不能再改为“已批准”"
    assert in_chinese("a refusal wants a reason") == "答复不予共享须说明理由"
    assert in_chinese("fields.0: is required; purpose: is too long") == "fields.0：必填；purpose：过长"
    lacking = "people: file a.csv lacks column 'name'; has unknown column 'x', 'y'; has twice 'z'"
    assert in_chinese(lacking) == "people：文件 a.csv 缺少列 'name'；有未知列 'x', 'y'；重复出现 'z'"
    held = "residents: 3 条不合格(3;上限 2) / no sex (3; at most 2); 本次报送为空 / empty delivery"
    assert in_chinese(held) == "residents：3 条不合格(3;上限 2)；本次报送为空"


def test_a_contract_s_problems_are_told_line_by_line() -> None:
    faults = [
        Problem("id", "is missing or empty", "id: residents", "a.yaml"),
        Problem("servers[0].type", "'s3' with format 'docx' has no connector", "", "a.yaml"),
        Problem("line 1", "not valid YAML: found nothing", "", "a.yaml"),
        Problem("schema[0].properties[2]", "'DE9' is no data element", "one of DE01001, DE01002"),
    ]
    assert in_chinese(str(ContractInvalid(faults))).split("\n") == [
        "a.yaml：id：缺失或为空；正确写法：id: residents",
        "a.yaml：servers[0].type：没有读取 'docx' 格式的 's3' 连接器",
        "a.yaml：line 1：不是有效的 YAML：found nothing",
        "schema[0].properties[2]：'DE9' 不是数据元；正确写法：可选：DE01001, DE01002",
    ]


@pytest.mark.parametrize("text", ["", "Straße → 12", "a / b", "nobody wrote: this", "没有 / 有 / x", "{}", "a\n\nb"])
def test_what_the_catalogue_does_not_know_stays_readable(text: str) -> None:
    assert in_chinese(text).replace("：", ": ") in (text, "没有")
