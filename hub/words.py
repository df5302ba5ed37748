"""The command line's labels in Chinese. English ones are the names that `--json` uses; a label without an entry stays as it is."""

import os

LABELS = {
    "run": "运行",
    "runs": "取数运行",
    "dataset": "数据集",
    "phase": "阶段",
    "load": "批次",
    "started": "开始",
    "took": "用时",
    "steps": "各步用时",
    "read": "读取",
    "judge": "判定",
    "publish": "发布",
    "changed": "变更",
    "unchanged": "未变",
    "deleted": "删除",
    "quarantined": "问题",
    "size": "大小",
    "bound": "读至",
    "lag": "滞后",
    "counts": "计数",
    "reason": "原因",
    "files": "文件数",
    "landing": "落地序号",
    "owner": "发起方",
    "note": "备注",
    "outcome": "结论",
    "now_because": "时段外取数理由",
    "delivered": "报送",
    "passed": "合格",
    "rejected": "不合格",
    "duplicates": "重复",
    "unkeyable": "无主键",
    "new": "新增",
    "updated": "更新",
    "stale": "未更新",
    "published": "已发布",
    "held": "暂缓",
    "failed": "失败",
    "superseded": "被取代",
    "dry": "试运行",
    "claimed": "已认领",
    "landed": "已落地",
    "judged": "已判定",
    "where": "位置",
    "system": "系统",
    "tables": "表",
    "table": "表",
    "rows": "行数",
    "sample": "样例",
    "quarantine": "问题数据",
    "rule": "规则",
    "contracts": "数据契约",
    "contracts in order": "契约无误",
    "applied": "已生效",
    "title": "名称",
    "provider": "提供方",
    "version": "版本",
    "source": "来源",
    "sync": "同步",
    "cycle": "更新周期",
    "columns": "列数",
    "status": "状态",
    "suite": "规则集",
    "expectations": "规则数",
    "warnings": "提示类",
    "not_held": "不成立",
    "severity": "级别",
    "dimension": "维度",
    "stage": "阶段",
    "never": "不得(英)",
    "expectation": "期望类型",
    "broken": "不符",
    "found": "结果",
    "dangling": "悬空引用",
    "released": "已放行",
    "rules": "规则",
    "page": "页面",
    "address": "地址",
    "disputes": "异议",
    "dispute": "工单",
    "column": "信息项",
    "state": "状态",
    "opened_on": "提出日",
    "due_on": "期限",
    "overdue": "逾期",
    "provisional": "日历未定",
    "client": "调用方",
    "by": "提出者",
    "closed_load": "办结批次",
    "record": "记录",
    "value_held": "现有值",
    "evidence": "凭据",
    "scorecards": "质量记分卡",
    "overall": "总分",
    "completeness": "完整性",
    "validity": "有效性",
    "uniqueness": "唯一性",
    "consistency": "一致性",
    "timeliness": "时效性",
    "reasons": "失分原因",
    "checked": "检查",
    "unexpected": "不合格",
    "trend": "走势",
    "day": "日期",
    "no": "编号",
    "since": "首次发现",
    "days": "天数",
    "ages": "时长分布",
    "department": "部门",
    "left": "去向",
    "why": "原因",
    "fix": "怎样更正",
    "receipt": "回执",
    "accepted": "已接收",
    "wrong": "仍有问题",
    "unknown": "无此编号",
    "corrected": "已更正",
    "waived": "已豁免",
    "still": "仍不合格",
    "lost": "无法重判",
    "not accepted": "未接收",
    "form": "格式",
    "encoding": "编码",
    "at": "时间",
    "key": "主键",
    "row": "行号",
    "file": "文件",
    "bytes": "字节",
}
_PHASES = frozenset({"published", "held", "failed", "superseded", "dry", "claimed", "landed", "judged"})
_OUTCOMES = frozenset({"accepted", "wrong", "superseded", "held", "unknown"})


def language(setting: str) -> str:
    """`zh` or `en`: as set, else by the terminal's own locale."""
    if setting:
        return setting
    locale = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return "zh" if locale.startswith("zh") else "en"


def label(name: str, tongue: str) -> str:
    """A label in the language of the reader.

    >>> label("quarantined", "zh"), label("quarantined", "en"), label("姓名", "zh")
    ('问题', 'quarantined', '姓名')
    """
    return LABELS.get(name, name) if tongue == "zh" else name


def value(name: str, shown: str, tongue: str) -> str:
    """A value in the language of the reader, where it is one of the hub's own words."""
    own = _PHASES if name == "phase" else _OUTCOMES if name == "outcome" else frozenset[str]()
    return LABELS.get(shown, shown) if tongue == "zh" and shown in own else shown
