"""How fast and how well the catalog is searched, beside PostgreSQL's own full-text search over the same entries, in one run."""
import random
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from schemas.contract import Column, Contract, Source  # noqa: E402
from schemas.elements import ELEMENTS  # noqa: E402

AREAS = ("市级", "东海区", "南山区", "西湖区", "北岭区", "高新区", "临港区", "滨江区", "青云县", "白鹭县")
DEPARTMENTS = (
    ("市公安局", "Public Security Bureau"), ("市民政局", "Civil Affairs Bureau"), ("市市场监督管理局", "Market Regulation Administration"),
    ("市人力资源和社会保障局", "Human Resources and Social Security Bureau"), ("市卫生健康委员会", "Health Commission"),
    ("市教育局", "Education Bureau"), ("市住房和城乡建设局", "Housing and Construction Bureau"), ("市交通运输局", "Transport Bureau"),
    ("市生态环境局", "Ecology and Environment Bureau"), ("市规划和自然资源局", "Planning and Natural Resources Bureau"),
    ("市税务局", "Tax Service"), ("市医疗保障局", "Healthcare Security Bureau"), ("市应急管理局", "Emergency Management Bureau"),
    ("市水务局", "Water Bureau"), ("市文化和旅游局", "Culture and Tourism Bureau"), ("市农业农村局", "Agriculture Bureau"),
)  # fmt: skip
TOPICS = (
    ("常住人口", "resident population"), ("流动人口居住登记", "temporary residence registration"), ("企业登记", "company registration"),
    ("个体工商户", "individual businesses"), ("食品经营许可", "food business licences"), ("药品经营许可", "pharmacy licences"),
    ("婚姻登记", "marriage registration"), ("出生医学证明", "birth certificates"), ("死亡证明", "death certificates"),
    ("养老保险参保", "pension insurance"), ("医疗保险缴费", "medical insurance payments"), ("失业保险待遇", "unemployment benefits"),
    ("住房公积金缴存", "housing fund deposits"), ("不动产权证书", "real estate titles"), ("商品房预售许可", "presale permits"),
    ("机动车登记", "vehicle registration"), ("驾驶证", "driving licences"), ("道路运输经营许可", "road transport licences"),
    ("公交线路站点", "bus routes and stops"), ("排污许可证", "pollutant discharge permits"), ("空气质量监测", "air quality monitoring"),
    ("地表水质监测", "surface water monitoring"), ("取水许可", "water abstraction permits"), ("建设用地规划许可", "land use planning permits"),
    ("建筑施工许可", "construction permits"), ("学籍", "school enrolment"), ("教师资格证书", "teacher certificates"),
    ("医师执业证书", "physician licences"), ("护士执业注册", "nurse registration"), ("残疾人证", "disability certificates"),
    ("最低生活保障对象", "minimum living allowance recipients"), ("退役军人优待", "veterans' benefits"), ("社会组织登记", "social organisations"),
    ("行政处罚", "administrative penalties"), ("信用评价", "credit ratings"), ("纳税申报", "tax returns"), ("欠税公告", "tax arrears notices"),
    ("安全生产许可", "work safety licences"), ("危险化学品经营许可", "hazardous chemicals licences"), ("旅行社业务经营许可", "travel agency licences"),
)  # fmt: skip
KINDS = (("基本信息", "basics"), ("变更信息", "changes"), ("注销信息", "cancellations"), ("年度统计", "yearly statistics"), ("检查结果", "inspections"))


def generated(count: int, seed: int = 7) -> list[Contract]:
    """So many contracts of a fictitious city, the same for the same seed."""
    chance = random.Random(seed)
    elements = list(ELEMENTS.values())
    made = []
    for i in range(count):
        area, (topic, topic_en), (kind, kind_en) = AREAS[i % 10], TOPICS[i // 10 % 40], KINDS[i // 400 % 5]
        department, department_en = DEPARTMENTS[(i // 10 % 40) * 7 % 16]
        chosen = chance.sample(elements, chance.randint(8, 24))
        columns = tuple(
            Column(e.en, f"c{n}", e.zh, key_position=int(n == 0), element=e.id if chance.random() < 0.8 else None, share_type=chance.randint(1, 3))
            for n, e in enumerate(chosen)
        )  # fmt: skip
        round_ = "" if i < 2000 else f"（{2000 + i // 2000}年）"
        number = (i // 10 % 40) * 7 % 16
        made.append(
            Contract(
                dataset=f"{topic_en.replace(' ', '_').replace(chr(39), '')}_{kind_en.replace(' ', '_')}_{i}"[:63], title=f"{area}{topic}{kind}{round_}",
                title_en=f"{topic_en.capitalize()}: {kind_en}", version="1.0.0", status="active", provider=department, provider_en=department_en,
                provider_code=f"113101000000{number:02d}000A", purpose=f"供各部门办理业务时核验{topic}", resource_code=f"3{number:02d}{i % 900:03d}/{i + 1:06d}",
                share_type=1 + i % 3, share_condition="无条件" if i % 3 == 0 else "限依法履职使用", share_modes=("database", "api"), columns=columns,
                source=Source(chance.choice(("sql", "csv", "rest", "xlsx")), "sqlite:///x.db", "t"), cycle=chance.choice(("每日", "每周", "每月")),
                tags=(chance.choice(("人口库", "法人库", "证照库", "信用库", "空间库")),),
            )
        )  # fmt: skip
    return made
