"""Every finding in words: what is wrong and what would be right, in English and Chinese."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.reviews.domain.findings import Finding

CHINESE = "zh-CN"
ENGLISH = "en"


@dataclass(frozen=True, slots=True)
class Words:
    """One finding in one language."""

    message: str
    remedy: str


def render(finding: Finding, language: str = ENGLISH) -> Words:
    """The finding in the language asked for; anything but Chinese is answered in English."""
    chinese = language.lower().startswith("zh")
    english_words, chinese_words = CATALOGUE.get(finding.code, UNKNOWN)
    facts = {**finding.facts, "subject": finding.subject, "code": finding.code}
    if chinese:
        facts |= {name.removesuffix("_zh"): value for name, value in facts.items() if name.endswith("_zh")}
    chosen = chinese_words if chinese else english_words
    return Words(_fill(chosen[0], facts), _fill(chosen[1], facts))


def _fill(text: str, facts: Mapping[str, str]) -> str:
    return text.format_map(_Facts(facts)).strip()


class _Facts(dict[str, str]):
    """A fact that a check did not give reads as an ellipsis: a report is never lost for a missing word."""

    def __missing__(self, key: str) -> str:
        return "…"


Pair = tuple[str, str]
UNKNOWN: tuple[Pair, Pair] = (("{code}", ""), ("{code}", ""))

# code: ((English message, remedy), (Chinese message, remedy))
CATALOGUE: Mapping[str, tuple[Pair, Pair]] = {
    # the text
    "YAML_SYNTAX": (
        ("this is not YAML: {problem}", "check indentation, colons and quotes on this line"),
        ("YAML 语法错误：{problem}", "请检查该行的缩进、冒号和引号"),
    ),
    "EMPTY_FILE": (
        ("the file is empty", "write at least name and sections"),
        ("文件为空", "至少填写 name 和 sections"),
    ),
    "TOO_LARGE": (
        ("the template is larger than {limit} KiB or too deeply nested", "split it or remove what is not needed"),
        ("模板超过 {limit} KiB 或嵌套过深", "请拆分模板或删除不需要的内容"),
    ),
    "KEY_WRITTEN_TWICE": (
        ("{key} is written twice; the first one is on line {first}", "keep one of them"),
        ("{key} 重复出现，首次出现在第 {first} 行", "请只保留一处"),
    ),
    "CHARACTER_NOT_ALLOWED": (
        ("a text contains a character that cannot be stored", "remove NUL and half surrogate pairs"),
        ("文字中包含无法保存的字符", "请删除 NUL 和不完整的字符"),
    ),
    # the schema
    "WRONG_TYPE": (
        ("{field} is {found}", "write {wanted}"),
        ("{field} 的值为 {found}，类型不对", "应为{wanted}"),
    ),
    "WRONG_FORMAT": (("{field} is {found}", "write {wanted}"), ("{field} 的值 {found} 格式不对", "应为{wanted}")),
    "UNREADABLE_VALUE": (
        ("a value cannot be read: {problem}", "correct it"),
        ("有一个值无法读取：{problem}", "请修改"),
    ),
    "UNKNOWN_KEY": (("{key} is not known in {place}", "{hint}"), ("{place} 中没有 {key} 这个字段", "{hint}")),
    "MISSING_KEY": (("{place} has no {key}", "add {key}"), ("{place} 缺少 {key}", "请补充 {key}")),
    "UNKNOWN_VALUE": (
        ("{field} is {found}", "{hint}it must be one of {known}"),
        ("{field} 的值 {found} 无法识别", "{hint}可用的值：{known}"),
    ),
    "OUT_OF_RANGE": (("{field} is {found}", "it must be {wanted}"), ("{field} 的值为 {found}", "应{wanted}")),
    "TOO_FEW": (("{field} has {found} entries", "at least {limit}"), ("{field} 有 {found} 项", "至少 {limit} 项")),
    "TOO_MANY": (("{field} has {found} entries", "at most {limit}"), ("{field} 有 {found} 项", "至多 {limit} 项")),
    # weights
    "SECTION_WEIGHTS_NOT_100": (
        ("weights of the {where} add up to {total}, not 100", "{change}"),
        ("{where}的权重合计为 {total}，不是 100", "请{change}"),
    ),
    "ITEM_WEIGHTS_NOT_100": (
        ("weights of the {where} add up to {total}, not 100", "{change}"),
        ("{where}的权重合计为 {total}，不是 100", "请{change}"),
    ),
    "RELATION_WEIGHTS_NOT_100": (
        ("weights of the {where} add up to {total}, not 100", "{change}; 0 means for reference"),
        ("{where}的权重合计为 {total}，不是 100", "请{change}；权重 0 表示仅供参考"),
    ),
    "QUOTAS_NOT_100": (
        ("{where} of the guideline add up to {total}, not 100", "{change}"),
        ("{where}合计为 {total}，不是 100", "请{change}"),
    ),
    "WEIGHT_NOT_ALLOWED": (
        ("{name} has weight {found}, but bonus, deduction, veto and reference carry none", "remove the weight"),
        ("{name} 的权重为 {found}，但加分、减分、否决和参考项不带权重", "请删除权重"),
    ),
    # keys and references
    "KEY_NOT_UNIQUE": (
        ("the {what} key {key} is used twice", "give one of them another key"),
        ("{what}的键 {key} 重复", "请为其中一个改用别的键"),
    ),
    "UNKNOWN_RELATION": (
        ("{found} is not a relation", "{hint}known: {known}"),
        ("{found} 不是评分关系", "{hint}可用：{known}"),
    ),
    "UNKNOWN_GRADE": (
        ("{name} names grade {found}, which does not exist", "known: {known}"),
        ("{name} 引用了不存在的等级 {found}", "可用：{known}"),
    ),
    # indicators
    "METHOD_MISSING": (
        (
            "{name} is quantitative but has no method",
            "add method: ratio, interval, linear, occurrence, yes_no or formula",
        ),
        ("{name} 是定量指标但没有计分方法", "请补充 method：ratio、interval、linear、occurrence、yes_no 或 formula"),
    ),
    "MISSING_FOR_METHOD": (
        ("{name} uses method {method} but has no {field}", "add {field}"),
        ("{name} 的计分方法 {method} 缺少 {field}", "请补充 {field}"),
    ),
    "RATIO_ON_TARGET_ZERO": (
        ("{name} divides by its target, which is 0", "use method interval or occurrence, or set a target"),
        ("{name} 按目标值求比例，但目标值为 0", "请改用 interval（区间计分）或 occurrence（按次计分），或设置目标值"),
    ),
    "LINEAR_NOT_ORDERED": (
        ("{name}: threshold, target, stretch are {found}", "they must rise, or fall, from one to the next"),
        ("{name} 的门槛值、目标值、挑战值为 {found}", "三者应依次递增或依次递减"),
    ),
    "INTERVAL_GAP": (
        ("{name}: between {below} and {start} no interval applies", "let the next interval begin at {below}"),
        ("{name} 在 {below} 与 {start} 之间没有区间", "下一个区间应从 {below} 开始"),
    ),
    "INTERVAL_OVERLAP": (
        ("{name}: intervals overlap between {start} and {below}", "each value must belong to one interval"),
        ("{name} 的区间在 {start} 与 {below} 之间重叠", "每个值只能属于一个区间"),
    ),
    "FORMULA_INVALID": (
        ("the formula of {name} does not compile: {problem}", "correct the formula at position {position}"),
        ("{name} 的公式无法编译：{problem}", "请修改公式第 {position} 个字符处"),
    ),
    "FORMULA_APPLIES_WEIGHT_TWICE": (
        (
            "the formula of {name} names the weight, which would be applied twice",
            "set basis: points, or drop the weight",
        ),
        ("{name} 的公式已包含权重，权重会被计算两次", "请设置 basis: points，或从公式中去掉权重"),
    ),
    "FORMULA_NOT_USED": (
        ("{name} has a formula but another method", "set method: formula, or remove the formula"),
        ("{name} 写了公式但计分方法不是公式", "请设置 method: formula，或删除公式"),
    ),
    "POINTS_WITHOUT_FORMULA": (
        ("{name} has basis points without method formula", "remove basis, or use method: formula"),
        ("{name} 设置了 basis: points 但不是公式计分", "请删除 basis，或使用 method: formula"),
    ),
    "SCALE_MISSING": (
        ("{name} is rated but has no scale", "add scale with at least two points"),
        ("{name} 需要评分但没有量表", "请补充 scale，至少两个刻度"),
    ),
    "SCALE_TOO_SHORT": (
        ("the scale of {name} has {found} point", "a scale has at least two points"),
        ("{name} 的量表只有 {found} 个刻度", "量表至少有两个刻度"),
    ),
    "SCALE_VALUE_TWICE": (
        ("the scale of {name} has value {value} twice", "give each point its own value"),
        ("{name} 的量表中 {value} 重复", "每个刻度的值应不同"),
    ),
    "PROVIDER_MISSING": (
        ("nobody provides the actual of {name}", "add data_provider: employee, manager, department_head, hr or a code"),
        ("{name} 没有完成值提供人", "请补充 data_provider：employee、manager、department_head、hr 或工号"),
    ),
    # grades
    "GRADE_TWICE": (("grade {grade} is listed twice", "keep one"), ("等级 {grade} 重复", "请只保留一个")),
    "GRADES_OVERLAP": (
        ("grade {grade} starts at {found}, and so does another", "give each grade its own lower bound"),
        ("等级 {grade} 的起点 {found} 与另一等级相同", "每个等级应有不同的起点"),
    ),
    "GRADES_NOT_ORDERED": (
        ("grade {grade} starts at {found}, above {above}", "list grades from best to lowest"),
        ("等级 {grade} 的起点 {found} 高于 {above}", "请从高到低排列等级"),
    ),
    "GRADES_GAP": (
        ("the lowest grade starts at {found}: scores below have no grade", "let the lowest grade start at 0"),
        ("最低等级从 {found} 开始，更低的得分没有等级", "最低等级应从 0 开始"),
    ),
    "GRADE_OUT_OF_REACH": (
        ("a grade starts at {found}, above the ceiling {ceiling}", "lower the bound or raise the ceiling"),
        ("有等级从 {found} 开始，高于得分上限 {ceiling}", "请降低起点或提高上限"),
    ),
    # process
    "PROCESS_MISSING": (
        ("the template of the cycle has no process", "add process, or name a template that has one"),
        ("周期的模板没有流程", "请补充 process，或改用有流程的模板"),
    ),
    "PROCESS_CYCLE": (
        ("stages wait for one another: {stages}", "remove one of these from after"),
        ("环节互相等待：{stages}", "请从 after 中去掉其中一个"),
    ),
    "UNKNOWN_STAGE": (
        ("{stage} comes after {found}, which does not exist", "{hint}stages: {known}"),
        ("{stage} 的前置环节 {found} 不存在", "{hint}现有环节：{known}"),
    ),
    "STAGE_UNREACHABLE": (
        ("{stage} can never open: a stage before it is missing or never ends", "correct the stages before it"),
        ("{stage} 永远无法开启：其前置环节缺失或不会结束", "请修正其前置环节"),
    ),
    "STAGE_ENDLESS": (
        ("{stage} has no length and would never be due", "give it a length such as 5 business days"),
        ("{stage} 没有时长，永远不会到期", "请设置时长，如 5 business days"),
    ),
    "STAGE_WITHOUT_EXIT": (
        ("{stage} escalates what is not done, but to nobody", "add escalation, or another on_timeout"),
        ("{stage} 超时要升级，但没有升级对象", "请补充 escalation，或改用其他 on_timeout"),
    ),
    "STAGE_WITHOUT_OWNER": (
        ("nobody owns the tasks of {stage}", "add {field}"),
        ("{stage} 的待办没有责任人", "请补充 {field}"),
    ),
    "STAGE_OUT_OF_ORDER": (
        ("{stage} ({kind}) must come after a stage of kind {needed}", "add that stage to after"),
        ("{stage}（{kind}）必须在 {needed} 环节之后", "请在 after 中加入该环节"),
    ),
    "STAGE_KIND_TWICE": (
        ("{kind} occurs twice; a cycle has one", "remove {stage} or the other one"),
        ("{kind} 出现两次，一个周期只能有一个", "请删除 {stage} 或另一个"),
    ),
    "STAGE_KIND_NOT_AVAILABLE": (
        ("stages of kind {kind} cannot be run yet", "remove {stage}"),
        ("暂不支持 {kind} 环节", "请删除 {stage}"),
    ),
    "BARRIER_NEEDS_ALL": (
        ("{stage} ({kind}) must wait for everybody", "set barrier: all and advance: together"),
        ("{stage}（{kind}）必须等待所有人", "请设置 barrier: all 且 advance: together"),
    ),
    "REMINDER_AFTER_CLOSE": (
        ("a reminder of {stage} comes {found} after it is due, when nothing is owed any more", "use before"),
        ("{stage} 的提醒在到期 {found} 之后，此时已无待办", "请使用 before"),
    ),
    "REMINDER_BEFORE_OPEN": (
        ("a reminder of {stage} comes {found} before it is due, but it lasts only {length}", "remind later"),
        ("{stage} 的提醒在到期前 {found}，但环节只有 {length}", "请推迟提醒"),
    ),
    "RELATION_NOT_ASKED": (
        ("{relation} carries weight, but no stage of kind {kind} asks them", "add the stage or set the weight to 0"),
        ("{relation} 有权重，但流程中没有 {kind} 环节", "请补充该环节或把权重设为 0"),
    ),
    "QUORUM_UNREACHABLE": (
        ("{relation} is anonymous below {minimum} raters, but one person answers", "make it named, or set minimum: 1"),
        ("{relation} 需至少 {minimum} 人才能匿名，但只有一人作答", "请改为实名，或设置 minimum: 1"),
    ),
    # the cycle
    "NAME_MISSING": (("the cycle has no name", "give it a name"), ("周期没有名称", "请填写名称")),
    "PERIOD_INVALID": (
        ("the period ends ({end}) before it starts ({start})", "correct the dates"),
        ("考核期结束日 {end} 早于开始日 {start}", "请修改日期"),
    ),
    "NOT_PUBLISHED": (
        ("template {name} has no published version", "publish it first"),
        ("模板 {name} 没有已发布的版本", "请先发布"),
    ),
    "FORM_EMPTY": (
        ("the form of template {name} has no indicator that counts", "add a section that counts for the score"),
        ("模板 {name} 的考评表没有计分指标", "请补充计分板块"),
    ),
    "OVERRIDE_UNKNOWN_STAGE": (
        ("overrides name stage {found}, which does not exist", "{hint}stages: {known}"),
        ("overrides 中的环节 {found} 不存在", "{hint}现有环节：{known}"),
    ),
    "OVERRIDE_INVALID": (
        ("the override of {stage} cannot be read: {problem}", "write it as the template does"),
        ("{stage} 的覆盖设置无法读取：{problem}", "请按模板格式填写"),
    ),
    "REFERENCE_UNKNOWN": (
        ("{what} {found} is not known", "use a code, a path, a name or an id that exists"),
        ("{what} {found} 不存在", "请使用存在的工号、路径、名称或 ID"),
    ),
    "WINDOW_BEFORE_PREDECESSOR": (
        ("{stage} opens at {opens}, before {before} is due at {due}", "open it later, or let it advance individually"),
        ("{stage} 于 {opens} 开启，早于 {before} 的到期时间 {due}", "请推迟开启，或设置 advance: individually"),
    ),
    "WINDOW_EMPTY": (
        ("{stage} is due at {due}, not after it opens at {opens}", "give it a later deadline"),
        ("{stage} 的到期时间 {due} 不晚于开启时间 {opens}", "请推迟到期时间"),
    ),
    "WINDOW_IN_THE_PAST": (
        ("{stage} is due at {due}, which has passed", "start the cycle later or move the deadline"),
        ("{stage} 的到期时间 {due} 已过", "请推迟周期开始时间或到期时间"),
    ),
    "START_IN_THE_PAST": (
        ("the cycle starts at {start}, which has passed", "leave the start out, or choose a later one"),
        ("周期的开始时间 {start} 已过", "请不填开始时间，或选择更晚的时间"),
    ),
    "POPULATION_EMPTY": (
        ("nobody is in the population", "name departments, groups or employees, or everyone"),
        ("考核范围内没有人", "请指定部门、用户组、员工或全员"),
    ),
    "NOBODY_CAN_TAKE_PART": (
        ("none of the {count} people can take part", "correct what the person findings name"),
        ("{count} 人均无法参加", "请处理人员问题"),
    ),
    "NO_APPEAL_OWNER": (
        ("appeals have no owner who works here", "name an appeal owner"),
        ("申诉没有在职的处理人", "请指定申诉处理人"),
    ),
    "NO_FACILITATOR": (
        ("calibration has no facilitator: {found}", "name an employee who works here, owner or department_head"),
        ("校准会没有主持人：{found}", "请指定在职员工、owner 或 department_head"),
    ),
    "NO_PROVIDER": (
        ("the actual of {name} has no provider who works here: {found}", "name an employee who works here"),
        ("{name} 的完成值没有在职的提供人：{found}", "请指定在职员工"),
    ),
    "NO_ESCALATION_TARGET": (
        ("{stage} escalates to {found}, who does not work here", "name an employee who works here"),
        ("{stage} 的升级对象 {found} 不在职", "请指定在职员工"),
    ),
    "OWNER_NOT_EMPLOYED": (
        ("the owner of the cycle does not work here", "name an HR administrator who does"),
        ("周期负责人不在职", "请指定在职的人力资源管理员"),
    ),
    "GROUP_BELOW_MINIMUM": (
        (
            "department {name} has {count} people, below the minimum of {minimum}: it pools with its parent",
            "nothing, or lower the minimum",
        ),
        ("部门 {name} 只有 {count} 人，低于下限 {minimum}，将并入上级部门", "无需处理，或降低下限"),
    ),
    "SAME_KIND_OVERLAPS": (
        ("cycle {name} of the same kind overlaps this period", "make sure that both are meant"),
        ("同类周期 {name} 与本考核期重叠", "请确认两者都需要"),
    ),
    "RULE_NEVER_MATCHES": (
        ("form rule {number} matches nobody in the population", "correct or remove it"),
        ("第 {number} 条考评表规则不匹配任何人", "请修改或删除"),
    ),
    "ACTUALS_WITHOUT_STAGE": (
        ("{count} indicators need actuals, but the process has no data_entry stage", "add one, or import the actuals"),
        ("{count} 个指标需要完成值，但流程没有 data_entry 环节", "请补充该环节，或导入完成值"),
    ),
    "EDITION_REQUIRED": (
        (
            "{stage} ({kind}) is not part of the basic edition",
            "remove the stage, or change to the professional edition",
        ),
        ("{stage}（{kind}）不在基础版中", "请删除该环节或升级到专业版"),
    ),
    # people
    "NO_MANAGER": (
        ("{person} has no manager", "set a manager or leave the person out"),
        ("{person} 没有上级", "请设置上级或不纳入此人"),
    ),
    "MANAGER_LOOP": (
        ("{person} stands in a loop of managers", "correct the reporting line"),
        ("{person} 处于上级循环中", "请修正汇报关系"),
    ),
    "PERSON_TWICE": (("{person} is listed twice", "list the person once"), ("{person} 重复出现", "请只列一次")),
    "NO_FORM_RULE": (
        ("no form rule matches {person} (post {post})", "add a rule, or one without a match as fallback"),
        ("没有考评表规则匹配 {person}（岗位 {post}）", "请增加规则，或增加一条无条件的兜底规则"),
    ),
}
