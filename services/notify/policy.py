"""Who may call what; everybody reads their own inbox, HR and operators see what became of deliveries."""

from collections.abc import Mapping

from services.runtime.identity import Access

_METHODS = "/attune.notify.v1.NotifyService/"
_ANYBODY = Access(frozenset({"employee"}))

RPC_ACCESS: Mapping[str, Access] = {
    **{_METHODS + name: _ANYBODY for name in ("ListInbox", "MarkRead", "GetPreferences", "SetPreferences")},
    _METHODS + "ListDeliveries": Access(frozenset({"hr_admin", "operator", "auditor"})),
}
