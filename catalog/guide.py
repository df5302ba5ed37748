"""The words of the compilation guide (政务信息资源目录编制指南, 2017), in Chinese and English, for pages and the command line.

`metadata` gives an entry's core metadata in the guide's order. What a contract does not say is shown as not stated,
never guessed.
"""

from dataclasses import dataclass

from catalog.entries import Entry
from catalog.measured import RuleResult


@dataclass(frozen=True)
class Words:
    """One thing said in both languages."""

    zh: str
    en: str

    def __getitem__(self, lang: str) -> str:
        """The Chinese words for "zh", else the English ones."""
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True)
class Metadatum:
    """One line of the core metadata: its label and its value. `name` is stable, for tests and styles."""

    name: str
    label: Words
    value: Words


NOT_STATED = Words("未声明", "Not stated")
NOT_YET = Words("尚未发布", "Not yet published")
NONE = Words("无", "None")
SHARE_TYPES = {
    1: Words("无条件共享", "Shared without conditions"),
    2: Words("有条件共享", "Shared under conditions"),
    3: Words("不予共享", "Not shared"),
}
CLASSES = {
    "1": Words("基础信息资源", "Base resource"),
    "2": Words("主题信息资源", "Theme resource"),
    "3": Words("部门信息资源", "Department resource"),
}
FORMATS = {
    "database": Words("数据库", "Database"),
    "spreadsheet": Words("电子表格", "Spreadsheet"),
    "self-describing": Words("自描述格式", "Self-describing"),
}
MODES = {
    "api": Words("接口", "interface"),
    "table": Words("库表", "database table"),
    "database": Words("库表", "database table"),
    "file": Words("文件", "file"),
    "form": Words("表单预填", "form prefill"),
}
TYPES = {
    "string": Words("字符型", "Text"),
    "integer": Words("数值型（整数）", "Number (whole)"),
    "number": Words("数值型（浮点）", "Number (floating)"),
    "decimal": Words("数值型（定点）", "Number (decimal)"),
    "date": Words("日期型", "Date"),
    "timestamp": Words("日期时间型", "Date and time"),
    "boolean": Words("逻辑型", "Yes or no"),
}
CYCLES = {
    "实时": "Continuously",
    "每小时": "Hourly",
    "每日": "Daily",
    "每周": "Weekly",
    "每月": "Monthly",
    "每季度": "Quarterly",
    "每半年": "Half-yearly",
    "每年": "Yearly",
}


def metadata(entry: Entry) -> tuple[Metadatum, ...]:
    """The entry's core metadata in the guide's order, in both languages."""
    modes = [MODES.get(mode, Words(mode, mode)) for mode in entry.share_modes]
    items = len(entry.items)
    published = entry.published_on.isoformat() if entry.published_on else ""
    return (
        _line("class", "信息资源分类", "Resource class", _class(entry.code)),
        _line("title", "信息资源名称", "Resource title", Words(entry.title, entry.title_en or entry.title)),
        _line("code", "信息资源代码", "Resource code", _same(entry.code)),
        _line("provider", "信息资源提供方", "Provider", Words(entry.provider, entry.provider_en or entry.provider)),
        _line("provider_code", "提供方代码", "Provider code", _same(entry.provider_code)),
        _line("summary", "信息资源摘要", "Summary", _same(entry.summary)),
        _line("format", "信息资源格式", "Format", FORMATS[entry.format]),
        _line("items", "信息项信息", "Data items", Words(f"{items} 项，见下表", f"{items}, see the table below")),
        _line("share_type", "共享类型", "Sharing type", SHARE_TYPES.get(entry.share_type, NOT_STATED)),
        _line("share_condition", "共享条件", "Sharing condition", _same(entry.share_condition)),
        _line("share_modes", "共享方式", "Sharing mode", _joined(modes)),
        _line("open", "开放属性", "Open to the public", _open(entry)),
        _line("cycle", "更新周期", "Update cycle", Words(entry.cycle, CYCLES.get(entry.cycle, entry.cycle))),
        _line("published_on", "发布日期", "Date published", _same(published), NOT_YET),
        _line("related", "关联资源代码", "Related resources", _same(", ".join(entry.related)), NONE),
    )


def _class(code: str) -> Words:
    """The class with item and detail, as the code has them (类 1 digit, 项 2, 目 3, 细目 the rest)."""
    known = CLASSES.get(code[:1], NOT_STATED)
    item, detail, finer = code[1:3], code[3:6], code.partition("/")[0][6:]
    zh, en = (f" · 细目 {finer}", f" · subdetail {finer}") if finer else ("", "")
    return Words(f"{known.zh} · 项 {item} · 目 {detail}{zh}", f"{known.en} · item {item} · detail {detail}{en}")


def _open(entry: Entry) -> Words:
    if entry.open is None:
        return NOT_STATED
    zh, en = ("向社会开放", "Yes") if entry.open else ("不向社会开放", "No")
    return (
        Words(f"{zh}（{entry.open_condition}）", f"{en} ({entry.open_condition})")
        if entry.open_condition
        else Words(zh, en)
    )


def _line(name: str, zh: str, en: str, value: Words, otherwise: Words = NOT_STATED) -> Metadatum:
    return Metadatum(name, Words(zh, en), value if value.zh else otherwise)


def _same(text: str) -> Words:
    return Words(text, text)


def _joined(several: list[Words]) -> Words:
    return Words("、".join(words.zh for words in several), ", ".join(words.en for words in several))


RULES = {
    "required": Words("必填", "Required"),
    "type": Words("类型", "Type"),
    "length": Words("长度", "Length"),
    "pattern": Words("格式样式", "Pattern"),
    "enum": Words("取值范围", "Allowed values"),
    "code": Words("代码表", "Code list"),
    "format": Words("格式", "Format"),
    "checksum": Words("校验码", "Checksum"),
    "date": Words("日期有效性", "Possible date"),
    "future": Words("未来日期", "Not in the future"),
    "range": Words("数值范围", "Range"),
    "missing": Words("主键缺失", "Key missing"),
    "duplicate": Words("主键重复", "Key repeated"),
}


def rule_words(rule: RuleResult, entry: Entry) -> Words:
    """What a rule checks, with the item's title where it has one; a contract's own rule goes by its id."""
    code = rule.id.rpartition(".")[2]
    meaning = RULES.get(code) or (Words(rule.zh, rule.en) if rule.zh else _same(code))
    title = next((item.title for item in entry.items if item.name == rule.column), "")
    return Words(f"{title} · {meaning.zh}" if title else meaning.zh, f"{title} · {meaning.en}" if title else meaning.en)
