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


NOT_STATED = Words("未声明", "not stated")
SHARE_TYPES = {
    1: Words("无条件共享", "shared without conditions"),
    2: Words("有条件共享", "shared under conditions"),
    3: Words("不予共享", "not shared"),
}
CLASSES = {
    "1": Words("基础信息资源", "base resource"),
    "2": Words("主题信息资源", "theme resource"),
    "3": Words("部门信息资源", "department resource"),
}
FORMATS = {
    "sql": Words("数据库", "database"),
    "csv": Words("电子表格（CSV）", "spreadsheet (CSV)"),
    "xlsx": Words("电子表格（XLSX）", "spreadsheet (XLSX)"),
    "jsonl": Words("自描述格式（JSON 行）", "self-describing (JSON lines)"),
    "rest": Words("自描述格式（接口 JSON）", "self-describing (JSON interface)"),
}
MODES = {
    "api": Words("接口", "interface"),
    "table": Words("库表", "database table"),
    "database": Words("库表", "database table"),
    "file": Words("文件", "file"),
    "form": Words("表单预填", "form prefill"),
}
TYPES = {
    "string": Words("字符型", "text"),
    "integer": Words("数值型（整数）", "number (whole)"),
    "number": Words("数值型（浮点）", "number (floating)"),
    "decimal": Words("数值型（定点）", "number (decimal)"),
    "date": Words("日期型", "date"),
    "timestamp": Words("日期时间型", "date and time"),
    "boolean": Words("逻辑型", "yes or no"),
}
CYCLES = {
    "实时": "continuously",
    "每小时": "hourly",
    "每日": "daily",
    "每周": "weekly",
    "每月": "monthly",
    "每季度": "quarterly",
    "每半年": "half-yearly",
    "每年": "yearly",
}


def metadata(entry: Entry) -> tuple[Metadatum, ...]:
    """The entry's core metadata in the guide's order, in both languages."""
    modes = [MODES.get(mode, Words(mode, mode)) for mode in entry.share_modes]
    items = len(entry.items)
    published = entry.published_on.isoformat() if entry.published_on else ""
    return (
        _line("class", "信息资源分类", "Resource class", CLASSES.get(entry.code[:1], NOT_STATED)),
        _line("title", "信息资源名称", "Resource title", Words(entry.title, entry.title_en or entry.title)),
        _line("code", "信息资源代码", "Resource code", _same(entry.code)),
        _line("provider", "信息资源提供方", "Provider", Words(entry.provider, entry.provider_en or entry.provider)),
        _line("provider_code", "提供方代码", "Provider code", _same(entry.provider_code)),
        _line("summary", "信息资源摘要", "Summary", _same(entry.summary)),
        _line("format", "信息资源格式", "Format", FORMATS.get(entry.source_kind, _same(entry.source_kind))),
        _line("items", "信息项信息", "Data items", Words(f"{items} 项，见下表", f"{items}, see the table below")),
        _line("share_type", "共享类型", "Sharing type", SHARE_TYPES.get(entry.share_type, NOT_STATED)),
        _line("share_condition", "共享条件", "Sharing condition", _same(entry.share_condition)),
        _line("share_modes", "共享方式", "Sharing mode", _joined(modes)),
        _line("open", "开放属性", "Open to the public", NOT_STATED),
        _line("cycle", "更新周期", "Update cycle", Words(entry.cycle, CYCLES.get(entry.cycle, entry.cycle))),
        _line("published_on", "发布日期", "Date published", _same(published)),
        _line("related", "关联资源代码", "Related resources", _same(", ".join(entry.related))),
    )


def _line(name: str, zh: str, en: str, value: Words) -> Metadatum:
    return Metadatum(name, Words(zh, en), value if value.zh else NOT_STATED)


def _same(text: str) -> Words:
    return Words(text, text)


def _joined(several: list[Words]) -> Words:
    return Words("、".join(words.zh for words in several), ", ".join(words.en for words in several))


RULES = {
    "required": Words("必填", "required"),
    "type": Words("类型", "type"),
    "length": Words("长度", "length"),
    "pattern": Words("格式样式", "pattern"),
    "enum": Words("取值范围", "allowed values"),
    "code": Words("代码表", "code list"),
    "format": Words("格式", "format"),
    "checksum": Words("校验码", "checksum"),
    "date": Words("日期有效性", "possible date"),
    "future": Words("未来日期", "not in the future"),
    "range": Words("数值范围", "range"),
    "missing": Words("主键缺失", "key missing"),
    "duplicate": Words("主键重复", "key repeated"),
}


def rule_words(rule: RuleResult, entry: Entry) -> Words:
    """What a rule checks, with the item's title where it has one; a contract's own rule goes by its id."""
    code = rule.id.rpartition(".")[2]
    meaning = RULES.get(code, _same(code))
    title = next((item.title for item in entry.items if item.name == rule.column), "")
    return Words(f"{title} · {meaning.zh}" if title else meaning.zh, f"{title} · {meaning.en}" if title else meaning.en)
