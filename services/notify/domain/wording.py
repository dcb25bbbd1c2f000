"""What messages say, in zh-CN and en: one catalog for inbox and e-mail."""

from collections.abc import Mapping
from datetime import UTC, datetime
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
    "result_released": {
        CHINESE: ("您的绩效结果已公布", "“{cycle}”的结果已公布，请在 {due} 前查看并确认。"),
        ENGLISH: ("Your result is released", "The results of “{cycle}” are out; please acknowledge yours by {due}."),
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
    "stage_extended": {
        CHINESE: ("阶段已延期", "您负责的考核周期中有一个阶段已延期至 {due}。"),
        ENGLISH: ("A stage was extended", "A stage of a cycle that you own was extended to {due}."),
    },
    "cycle_paused": {
        CHINESE: ("考核周期已暂停", "您负责的一个考核周期已暂停，恢复前不能提交。"),
        ENGLISH: ("A cycle was paused", "A cycle that you own was paused; nothing can be submitted until it resumes."),
    },
    "cycle_resumed": {
        CHINESE: ("考核周期已恢复", "您负责的一个考核周期已恢复，未到的截止时间已顺延。"),
        ENGLISH: ("A cycle was resumed", "A cycle that you own goes on; deadlines to come moved by the pause."),
    },
    "cycle_canceled": {
        CHINESE: ("考核周期已取消", "您负责的一个考核周期已取消，相关待办将被撤回。"),
        ENGLISH: ("A cycle was canceled", "A cycle that you own was canceled; its open tasks are withdrawn."),
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
    "interview_to_hold": {
        CHINESE: ("您有一场绩效面谈", "您主持的一场绩效面谈安排在 {due}。"),
        ENGLISH: ("You hold an interview", "A performance interview that you hold takes place at {due}."),
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

# A newer process beside this one may tell what this one has no words for yet.
UNWORDED: Mapping[str, Text] = {
    CHINESE: ("您有一条新消息", "请登录查看详情。"),
    ENGLISH: ("There is news for you", "Please sign in to see it."),
}


def render(kind: str, parameters: Mapping[str, Any], language: str) -> Text:
    """Return title and body in a language (zh-CN unless en).

    Instants are shown in the zone of the parameters, else in UTC and so marked.
    """
    title, body = CATALOG.get(kind, UNWORDED)[ENGLISH if language.startswith("en") else CHINESE]
    values = {**parameters, "due": _instant(parameters)}
    return title.format_map(values), body.format_map(values)


def _instant(parameters: Mapping[str, Any]) -> str:
    written = str(parameters.get("due_at") or "")
    if not written:
        return "—"
    at = datetime.fromisoformat(written)
    try:
        return at.astimezone(ZoneInfo(str(parameters.get("zone") or ""))).strftime("%Y-%m-%d %H:%M")
    except (ZoneInfoNotFoundError, ValueError):
        return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
