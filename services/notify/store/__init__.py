"""Where notify keeps what it knows."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.store.deliveries import DeliveryStore
from services.notify.store.inbox import InboxStore
from services.runtime.database import Origin, Work


class NotifyWork(Work):
    """One transaction with every store of notify."""

    def __init__(self, connection: AsyncConnection, origin: Origin) -> None:
        super().__init__(connection, origin)
        self.inbox = InboxStore(connection, origin.tenant_id)
        self.deliveries = DeliveryStore(connection, origin.tenant_id)
