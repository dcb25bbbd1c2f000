"""The sample company: 300 employees below a chair, always the same, with posts, five levels, managers and goals."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

Family = Literal["business", "research", "support"]
COMPANY = "同频科技"
CHAIR = "C001"
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红玲斌宇浩凯辉力健俊帆雪飞慧"
LEVELS = ("P4", "P5", "P6", "M1", "M2")
TEAM = 7  # people below a team lead


@dataclass(frozen=True)
class Unit:
    """A department: where it hangs, what its staff are, how many people it has with its manager."""

    centre: str
    name: str
    family: Family
    posts: tuple[str, ...]
    size: int


UNITS = (
    Unit("销售中心", "华东销售部", "business", ("客户经理", "销售代表"), 30),
    Unit("销售中心", "华南销售部", "business", ("客户经理", "销售代表"), 30),
    Unit("销售中心", "华北销售部", "business", ("客户经理", "销售代表"), 30),
    Unit("销售中心", "大客户部", "business", ("大客户经理",), 29),
    Unit("研发中心", "平台研发部", "research", ("后端工程师", "运维工程师"), 30),
    Unit("研发中心", "应用研发部", "research", ("前端工程师", "后端工程师"), 30),
    Unit("研发中心", "数据智能部", "research", ("算法工程师", "数据工程师"), 24),
    Unit("研发中心", "质量保障部", "research", ("测试工程师",), 22),
    Unit("职能中心", "人力资源部", "support", ("人力资源专员", "招聘专员"), 16),
    Unit("职能中心", "财务部", "support", ("会计", "出纳"), 16),
    Unit("职能中心", "行政部", "support", ("行政专员",), 16),
    Unit("职能中心", "客户服务部", "support", ("客服专员",), 24),
)
CENTRES: dict[str, Family] = {"销售中心": "business", "研发中心": "research", "职能中心": "support"}


@dataclass(frozen=True)
class Person:
    """An employee as the staff file has them."""

    code: str
    name: str
    department: str
    manager_code: str
    post: str
    level: str
    hired_on: str
    family: Family

    @property
    def email(self) -> str:
        """Return an address of the reserved test domain."""
        return f"{self.code.lower()}@tongpin.example"


@dataclass(frozen=True)
class Measure:
    """A key result or milestone, and what will be reported of it."""

    name: str
    weight: int
    baseline: str
    target: str
    unit: str
    value: str
    done: bool


@dataclass(frozen=True)
class Goal:
    """A goal of somebody."""

    owner_code: str
    name: str
    mode: Literal["OKR", "KPI", "MBO"]
    weight: int
    measures: tuple[Measure, ...]


@dataclass(frozen=True)
class Company:
    """Everybody, and what they set out to do."""

    chair: Person
    people: tuple[Person, ...]
    goals: tuple[Goal, ...]

    def reports_of(self, code: str) -> tuple[Person, ...]:
        """Return who reports to somebody directly."""
        return tuple(person for person in self.people if person.manager_code == code)

    def person(self, code: str) -> Person:
        """Return somebody by code."""
        return next(person for person in (self.chair, *self.people) if person.code == code)


def sample_company(seed: int = 20260930) -> Company:
    """Return the sample company; the same seed gives the same company."""
    random = Random(seed)  # noqa: S311  a made-up company, not a secret
    people = tuple(_people(random))
    chair = Person(CHAIR, "沈同频", COMPANY, "", "董事长", "M2", "2015-01-05", "support")
    return Company(chair, people, tuple(goal for person in people for goal in _goals(person, random)))


def staff_file(company: Company) -> bytes:
    """Return the staff file that HR imports, with Chinese headers."""
    header = ("工号", "姓名", "邮箱", "部门", "上级工号", "岗位", "职级", "入职日期", "语言")
    rows = (
        (p.code, p.name, p.email, p.department, p.manager_code, p.post, p.level, p.hired_on, "zh-CN")
        for p in (company.chair, *company.people)
    )
    return _csv(header, rows)


def goals_file(company: Company, start: str, end: str) -> bytes:
    """Return the goals file that HR imports, one row a measure."""
    header = (
        *("owner_code", "name", "mode", "weight", "period_start", "period_end"),
        *("measure", "measure_weight", "baseline", "target", "unit", "direction"),
    )
    rows = (
        (g.owner_code, g.name, g.mode, g.weight, start, end, m.name, m.weight, m.baseline, m.target, m.unit, "higher")
        for g in company.goals
        for m in g.measures
    )
    return _csv(header, rows)


def _csv(header: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def _people(random: Random) -> Iterator[Person]:
    number = 0
    heads: dict[str, str] = {}
    for centre, family in CENTRES.items():
        number += 1
        heads[centre] = f"E{number:03}"
        yield _person(random, number, f"{COMPANY}/{centre}", CHAIR, f"{centre}负责人", "M2", family)
    for unit in UNITS:
        for person in _unit(random, unit, number, heads[unit.centre]):
            number += 1
            yield person


def _unit(random: Random, unit: Unit, before: int, head: str) -> Iterator[Person]:
    path = f"{COMPANY}/{unit.centre}/{unit.name}"
    manager = f"E{before + 1:03}"
    yield _person(random, before + 1, path, head, f"{unit.name}经理", "M2", unit.family)
    lead = manager
    for index in range(unit.size - 1):
        number = before + 2 + index
        leads = index % (TEAM + 1) == 0 and unit.size - 1 - index > 2
        if leads:
            yield _person(random, number, path, manager, "团队主管", "M1", unit.family)
            lead = f"E{number:03}"
        else:
            yield _person(random, number, path, lead, random.choice(unit.posts), random.choice(LEVELS[:3]), unit.family)


def _person(
    random: Random, number: int, department: str, manager: str, post: str, level: str, family: Family
) -> Person:
    name = random.choice(SURNAMES) + random.choice(GIVEN) + random.choice(GIVEN)
    hired_on = f"{random.randint(2016, 2025)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}"
    return Person(f"E{number:03}", name, department, manager, post, level, hired_on, family)


def _goals(person: Person, random: Random) -> Iterator[Goal]:
    if person.family == "research":
        yield Goal(person.code, "提升核心服务质量", "OKR", 60, _key_results(random))
        yield Goal(person.code, "需求交付", "KPI", 40, (_number(random, "交付需求数", 100, 0, 40, 28, 48),))
    elif person.family == "support":
        yield Goal(person.code, "年度重点任务", "MBO", 100, _milestones(random))


def _key_results(random: Random) -> tuple[Measure, ...]:
    return (
        _number(random, "接口可用率提升（基点）", 50, 0, 100, 20, 110),
        _number(random, "平均响应时间下降（毫秒）", 30, 0, 50, 5, 50),
        _number(random, "自动化用例新增", 20, 20, 120, 20, 130),
    )


def _number(random: Random, name: str, weight: int, baseline: int, target: int, low: int, high: int) -> Measure:
    return Measure(name, weight, str(baseline), str(target), "", str(random.randint(low, high)), False)


def _milestones(random: Random) -> tuple[Measure, ...]:
    names = (("完成方案评审", 20), ("完成上线", 50), ("完成复盘", 30))
    return tuple(Measure(name, weight, "", "", "", "", random.random() < 0.85) for name, weight in names)
