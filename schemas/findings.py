"""What can be wrong with a value: the forms of identifiers and the words for each fault, shared by both twins.

`schemas.predicates` asks whole columns in SQL, `schemas.values` asks one value in Python; both name a fault by the finding that stands
here, so that a department reads the same words wherever its value was judged.
"""

from dataclasses import dataclass

from schemas.codes import CodeList
from schemas.contract import Severity
from schemas.elements import Reading
from schemas.identifiers import CITIZEN_FORM, FOREIGN_15, LANDLINE_FORM, LICENCE_FORM, MOBILE_FORM, USCC_FORM


@dataclass(frozen=True)
class Finding:
    """One fault: its code (the end of a rule's id), whether it sets the row aside, and what to say in Chinese and English."""

    code: str
    severity: Severity
    zh: str
    en: str


FORMS: dict[Reading, tuple[str, str, str]] = {
    "citizen_id": (f"{CITIZEN_FORM}|{FOREIGN_15}", "不是18位公民身份号码", "is no citizen ID of 18 characters"),
    "uscc": (USCC_FORM, "不是18位统一社会信用代码", "is no unified social credit code of 18 characters"),
    "identifier": ("[0-9A-Z()-]{5,30}", "不是5至30位字母数字", "is not of 5 to 30 letters and digits"),
    "licence_oid": (LICENCE_FORM, "不是电子证照标识", "is no licence identifier after GB/T 36904"),
    "licence_type": ("[0-9A-Z]{18}[0-9]{3}", "不是21位证照类型代码", "is no licence type code of 21 characters"),
    "task_code": ("[0-9A-Z]{18}[1-6][0-9A-Z]{12}", "不是31位实施编码", "is no implementation code of 31 characters"),
    "industry": ("[A-T]([0-9]{2,4})?", "不是行业代码", "is no industry code: a letter and 2 to 4 digits"),
    "region": ("[1-9][0-9]{5}", "不是6位行政区划代码", "is no region code of 6 digits"),
    "town": ("[1-9][0-9]{8}", "不是9位乡镇街道代码", "is no town code of 9 digits"),
    "postcode": ("([1-9][0-9]{5}|0[1-9][0-9]{4}|00[1-9][0-9]{3})", "不是6位邮政编码", "is no postcode of 6 digits"),
    "mobile": (MOBILE_FORM, "不是11位手机号码", "is no mobile number of 11 digits"),
    "phone": (f"{MOBILE_FORM}|{LANDLINE_FORM}", "不是手机或固定电话号码", "is no mobile or landline number"),
    "email": (
        "[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z]{2,63}",
        "不是电子邮箱地址",
        "is no e-mail address",
    ),
    "lon_lat": (
        "(7[3-9]|[89][0-9]|1[0-2][0-9]|13[0-5])[.][0-9]{4,8},([3-9]|[1-4][0-9]|5[0-3])[.][0-9]{4,8}",
        "不是境内经纬度",
        "is no longitude 73-136, latitude 3-54 in decimal degrees",
    ),
    "person_name": ("[^0-9]+", "含数字", "is no name: it has digits"),
}
"""The form of each reading that has one (RE2 and Python alike), and what to say of a value without it."""

CONTROL = Finding("control", "error", "含控制字符", "has control characters")
CHECKSUM = Finding("checksum", "error", "校验码不符", "has a wrong check character")
LICENCE_CHECKSUM = Finding("checksum", "warning", "校验位不符", "has a wrong check character")
BIRTH = Finding("date", "error", "出生日期不存在", "has an impossible birth date")
BORN_LATER = Finding("future", "error", "出生日期晚于今天", "has a birth date in the future")
ISSUER = Finding("region", "warning", "行政区划或国别不存在或已撤销", "has an unknown or retired region or country")
FUTURE = Finding("future", "error", "晚于今天", "lies in the future")
NEGATIVE = Finding("range", "error", "小于零", "is negative")
NO_INDUSTRY = Finding("code", "error", "行业代码不存在", "is no industry of GB/T 4754")
NO_REGION = Finding("code", "error", "行政区划不存在", "names no region, current or historic")
UNMAPPED = Finding("code", "error", "不在代码对照表中", "is not in the contract's code map")


def malformed(reading: Reading) -> Finding:
    """The finding of a value without the reading's form."""
    return Finding("format", "error", *FORMS[reading][1:])


def unlisted(listed: CodeList) -> Finding:
    """The finding of a code that the list has never had."""
    return Finding("code", "error", f"不在代码集“{listed.zh}”中", f"is not in code list {listed.name}")


def retired(listed: CodeList) -> Finding:
    """The finding of a code that the list had once."""
    return Finding("retired", "warning", f"代码集“{listed.zh}”中已停用", f"is out of force in code list {listed.name}")
