"""Which data element a column seems to hold, from a sample of its values and from its name.

Values speak first: 99.7 % valid check characters are no accident. Where values alone are ambiguous (a date, a one-digit code) the
column's name must point to the element too. The result is a suggestion for a person to confirm, with its evidence in words.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from schemas import identifiers, texts
from schemas.codes import code_list
from schemas.elements import ELEMENTS, Element

ENOUGH = 0.8
"""The share of a sample's values that must fit: real columns hold errors."""

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹"
    "熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁"
)
_ORGANISATION = (
    r".{3,}(公司|厂|店|中心|合作社|事务所|医院|学校|集团|商行|经营部|工作室|银行|协会|委员会|局|院|社|部|场|馆|所)"
)
_ADDRESS = r"[省市区县镇乡村街路道巷弄号栋幢楼室]"


@dataclass(frozen=True)
class Suggestion:
    """A data element, the share of the sample that fits it, and why; `codes` maps labels found in the sample to codes."""

    element: str
    share: float
    zh: str
    evidence: str
    codes: dict[str, str] | None = None


@dataclass(frozen=True)
class _Candidate:
    """An element, the test a value must pass, what that says, and the names that point to it; `named`: the name must."""

    element: str
    test: Callable[[str], bool]
    zh: str
    en: str
    names: str
    named: bool = False


def suggest(values: Iterable[object], *, name: str = "") -> tuple[Suggestion, ...]:
    """The elements a column may hold, best first; `name` is the column's name or comment in the source.

    >>> suggest(["110101199003074610", "440308199901101512"])[0].evidence
    '100.0 % valid GB 11643 (date and check character)'
    """
    sample = [text for text in (str(v).strip() for v in values if v is not None) if text]
    found = [s for c in _CANDIDATES if (s := _judged(c, sample, name)) is not None]
    found += [
        s for e in ELEMENTS.values() if e.codes and e.reading == "code" and (s := _coded(e, sample, name)) is not None
    ]
    return tuple(
        s for _, s in sorted(enumerate(found), key=lambda p: (-_pointed(p[1].element, name), -p[1].share, p[0]))
    )


def _judged(candidate: _Candidate, sample: list[str], name: str) -> Suggestion | None:
    pointed = bool(re.search(candidate.names, name, re.IGNORECASE)) if name else False
    if candidate.named and not pointed:
        return None
    if not sample:
        return Suggestion(candidate.element, 0.0, f"列名“{name}”", f"named {name!r}, no values") if pointed else None
    share = sum(map(candidate.test, sample)) / len(sample)
    if share < ENOUGH:
        return None
    return Suggestion(candidate.element, share, f"{share:.1%} {candidate.zh}", f"{share * 100:.1f} % {candidate.en}")


def _coded(element: Element, sample: list[str], name: str) -> Suggestion | None:
    """A code list's codes (where the name points to it) or its labels (which speak for themselves)."""
    listed = code_list(element.codes or "")
    pointed = _pointed(element.id, name)
    labels = {value: code for value in set(sample) if (code := _labelled(value, listed.values)) is not None}
    share = sum(v in labels for v in sample) / max(len(sample), 1)
    if sample and share >= ENOUGH and (pointed or len(labels) > 1) and not set(sample) <= listed.values.keys():
        words = f"{share * 100:.1f} % labels of {listed.version}"
        return Suggestion(element.id, share, f"{share:.1%} 为{listed.zh}的名称", words, dict(sorted(labels.items())))
    share = sum(v in listed.values for v in sample) / max(len(sample), 1)
    if pointed and share >= ENOUGH:
        return Suggestion(
            element.id, share, f"{share:.1%} 属于{listed.version}", f"{share * 100:.1f} % codes of {listed.version}"
        )
    return None


def _labelled(value: str, labels: dict[str, str]) -> str | None:
    """The code of the one label that is the value, or begins with it (男 of 男性, 汉 of 汉族)."""
    exact = [code for code, label in labels.items() if label == value]
    begun = exact or [
        code for code, label in labels.items() if label.startswith(value) and len(label) <= len(value) + 1
    ]
    return begun[0] if len(begun) == 1 else None


def _pointed(element_id: str, name: str) -> bool:
    """Whether the column's name points to the element."""
    if not name:
        return False
    special = [c.names for c in _CANDIDATES if c.element == element_id]
    return any(re.search(p, name, re.IGNORECASE) for p in special or _code_names(ELEMENTS[element_id]))


def _code_names(element: Element) -> Iterator[str]:
    yield re.escape(element.zh.removesuffix("代码"))
    yield element.en.removesuffix("_code")


def _citizen(value: str) -> bool:
    number = texts.citizen_id(value)
    return number is not None and not identifiers.citizen_faults(number, date.max) - {"region"}


def _uscc(value: str) -> bool:
    number = texts.identifier(value)
    return number is not None and not identifiers.uscc_faults(number)


def _licence(value: str) -> bool:
    return not identifiers.licence_faults(value)


def _name(value: str) -> bool:
    name = texts.person_name(value) or ""
    return bool(re.fullmatch(f"[{_SURNAMES}][\u4e00-\u9fa5]{{1,3}}|[\u4e00-\u9fa5]{{2,}}·[\u4e00-\u9fa5·]{{2,}}", name))


def _capital(value: str) -> bool:
    return any(unit in value for unit in ("万", "元", "亿")) and texts.capital(value) is not None


def _day(value: str) -> bool:
    return texts.day(value, open_end=True) is not None


def _instant(value: str) -> bool:
    return texts.instant(value) is not None


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda value: compiled.fullmatch(value) is not None


def _region(value: str) -> bool:
    return value in code_list("region").values


def _industry(value: str) -> bool:
    return bool(re.fullmatch("[A-T][0-9]{2,4}", value)) and value[:3] in code_list("industry").values


def _address(value: str) -> bool:
    return len(value) >= 8 and len(set(re.findall(_ADDRESS, value))) >= 3


def _mobile(value: str) -> bool:
    return bool(re.fullmatch(identifiers.MOBILE_FORM, texts.mobile(value) or ""))


def _phone(value: str) -> bool:
    return bool(re.fullmatch(f"{identifiers.MOBILE_FORM}|{identifiers.LANDLINE_FORM}", texts.phone(value) or ""))


_ID = ("为有效的 GB 11643(日期与校验码)", "valid GB 11643 (date and check character)")
_CODE = ("为有效的 GB 32100(两个校验码)", "valid GB 32100 (both check characters)")
_NAMES = ("像人的姓名", "look like names of persons")
_DAYS = ("为日期", "dates")
_TIMES = ("为时间", "points in time")
_CANDIDATES = (
    _Candidate("DE01001", _citizen, *_ID, r"公民身份|身份证|citizen_?id|id_?card|sfz"),
    _Candidate("DE02004", _citizen, *_ID, r"(法定代表人|法人|负责人).*(证|号码)|legal_rep_id", named=True),
    _Candidate("DE02001", _uscc, *_CODE, r"社会信用代码|uscc|tyshxydm|credit_?code"),
    _Candidate("DE02011", _uscc, *_CODE, r"登记机关|registrar", named=True),
    _Candidate("DE03007", _uscc, *_CODE, r"(颁发|发证)(机构|机关)|issuer", named=True),
    _Candidate("DE05005", _uscc, *_CODE, r"来源部门|source_org", named=True),
    _Candidate("DE03001", _licence, "为有效的 GB/T 36904", "valid GB/T 36904", r"证照标识|licence_oid"),
    _Candidate("DE01012", _mobile, "为手机号码", "mobile numbers", r"手机|移动电话|mobile|phone|sjh"),
    _Candidate("DE01015", _phone, "为手机或固定电话号码", "mobile or landline numbers", r"电话|tel(ephone)?\b|lxdh"),
    _Candidate(
        "DE01013", _matches(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}"), "为电子邮箱", "e-mail addresses", r"邮箱|e_?mail"
    ),
    _Candidate(
        "DE02002",
        _matches(_ORGANISATION),
        "像机构名称",
        "look like names of organisations",
        r"(法人|企业|单位|机构|公司)名称|org_name",
    ),
    _Candidate("DE04003", _address, "像地址", "look like addresses", r"住址|地址|住所|address"),
    _Candidate("DE01002", _name, *_NAMES, r"姓名|^name$|^xm$|person_name"),
    _Candidate("DE02003", _name, *_NAMES, r"法定代表人|负责人|legal_rep", named=True),
    _Candidate("DE02007", _capital, "为金额", "amounts of money", r"注册资本|reg_?capital"),
    _Candidate("DE02006", _industry, "属于 GB/T 4754", "codes of GB/T 4754", r"行业|industry"),
    _Candidate("DE01011", _region, "属于 GB/T 2260", "codes of GB/T 2260", r"户籍|hukou", named=True),
    _Candidate("DE04001", _region, "属于 GB/T 2260", "codes of GB/T 2260", r"行政区划|region"),
    _Candidate(
        "DE04004", _matches("[0-9]{6}"), "为六位数字", "of six digits", r"邮政编码|邮编|postcode|zip", named=True
    ),
    _Candidate("DE01006", _day, *_DAYS, r"出生|生日|birth|csrq", named=True),
    _Candidate("DE01014", _day, *_DAYS, r"死亡|death", named=True),
    _Candidate("DE02008", _day, *_DAYS, r"成立|establish", named=True),
    _Candidate("DE02009", _day, *_DAYS, r"(营业|经营)期限.*(止|至)|term_end", named=True),
    _Candidate("DE03008", _day, *_DAYS, r"(颁发|发证|签发)日期|issue_date|issued", named=True),
    _Candidate("DE03009", _day, *_DAYS, r"有效期.*(起|自|始)|valid_from", named=True),
    _Candidate("DE03010", _day, *_DAYS, r"有效期(.*(止|至|截)|限?$)|valid_(to|until)|expir", named=True),
    _Candidate("DE05006", _instant, *_TIMES, r"更新时间|修改时间|updated|modified|gxsj", named=True),
)
