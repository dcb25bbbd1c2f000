"""What messages say, in zh-CN and en: one catalog for inbox and e-mail."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

CHINESE, ENGLISH = "zh-CN", "en"
LANGUAGES = (CHINESE, ENGLISH)
Text = tuple[str, str]  # title, body; {names} are parameters

CATALOG: Mapping[str, Mapping[str, Text]] = {
    "tasks_opened": {
        CHINESE: ("{stage}：{count} 项待办", "“{cycle}”的{stage}已开始，请在 {due} 前完成 {count} 项待办。"),
        ENGLISH: ("{stage}: {count} to do", "{stage} of “{cycle}” has begun; please finish {count} by {due}."),
    },
    "tasks_reminded": {
        CHINESE: ("提醒：{stage}还有 {count} 项待办", "“{cycle}”的{stage}将于 {due} 截止，您还有 {count} 项待办。"),
        ENGLISH: ("Reminder: {count} to do in {stage}", "{stage} of “{cycle}” is due {due}; you still owe {count}."),
    },
    "task_assigned": {
        CHINESE: ("有一项待办转交给您", "有一项考核待办已转交给您，请及时处理。"),
        ENGLISH: ("A task was handed to you", "A review task was handed over to you."),
    },
    "task_returned": {
        CHINESE: ("您的提交被退回", "您提交的一项考核待办被退回，请修改后重新提交。"),
        ENGLISH: (
            "Your submission was returned",
            "One of your submissions was returned; please revise and submit it again.",
        ),
    },
    "task_reminded": {
        CHINESE: ("请完成待办", "人力资源提醒您尽快完成一项考核待办。"),
        ENGLISH: ("Please finish a task", "HR reminds you of a review task that is still open."),
    },
    "appeal_filed": {
        CHINESE: ("收到一份申诉", "有一份绩效结果申诉等待您处理。"),
        ENGLISH: ("An appeal was filed", "An appeal against a result waits for you."),
    },
    "appeal_decided": {
        CHINESE: ("您的申诉已有结论", "您对绩效结果的申诉已有结论，请查看。"),
        ENGLISH: ("Your appeal was decided", "Your appeal against your result was decided."),
    },
    "appeal_amended": {
        CHINESE: ("您的绩效结果已更正", "申诉后的新结果已开通，请重新确认。"),
        ENGLISH: ("Your result was amended", "The result after your appeal is released; please acknowledge it."),
    },
    "interview_scheduled": {
        CHINESE: ("绩效面谈已安排", "您的绩效面谈安排在 {due}。"),
        ENGLISH: ("An interview is scheduled", "Your performance interview takes place at {due}."),
    },
    "goal_proposed": {
        CHINESE: ("有目标等待您确认", "您的下属提交了一个目标，请确认或驳回。"),
        ENGLISH: ("A goal waits for you", "One of your people proposed a goal; please confirm or reject it."),
    },
    "goal_confirmed": {
        CHINESE: ("您的目标已确认", "您提交的目标已被确认。"),
        ENGLISH: ("Your goal was confirmed", "The goal that you proposed was confirmed."),
    },
    "goal_rejected": {
        CHINESE: ("您的目标被驳回", "您提交的目标被驳回，请按意见修改。"),
        ENGLISH: ("Your goal was rejected", "The goal that you proposed was rejected; please revise it."),
    },
}


def render(kind: str, parameters: Mapping[str, Any], language: str) -> Text:
    """Return title and body in a language (zh-CN unless en); instants are shown in the zone of the parameters."""
    title, body = CATALOG[kind][ENGLISH if language.startswith("en") else CHINESE]
    values = {**parameters, "due": _instant(parameters)}
    return title.format_map(values), body.format_map(values)


def _instant(parameters: Mapping[str, Any]) -> str:
    written = str(parameters.get("due_at") or "")
    if not written:
        return "—"
    try:
        zone = ZoneInfo(str(parameters.get("zone") or "UTC"))
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    return datetime.fromisoformat(written).astimezone(zone).strftime("%Y-%m-%d %H:%M")
