"""Deletes input files that were uploaded and never became a batch: a claim ran out, or a process ended between the two."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from agents.liveness.heartbeats import Heartbeat
from providers.account import Account
from providers.protocol import Provider, ProviderError
from settings.settings import Settings
from streams.clock import Clock

log = structlog.get_logger("orphan_files")
# On top of the longest time between an upload and its create: clocks differ, and nobody waits for the room.
_MARGIN_S = 3600.0


class OrphanFiles:
    """The task. Every worker runs it: a file that another one has deleted is gone, and that is fine."""

    def __init__(
        self,
        settings: Settings,
        accounts: Mapping[str, Account],
        clock: Clock,
        heartbeat: Heartbeat,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._every_s, self._accounts, self._clock, self._sleep = settings.tidy_files_every_s, accounts, clock, sleep
        self._heartbeat = heartbeat
        # Beyond it no claim holds, so that no batch can be made of the file any more.
        self._least_age_s = settings.testing.create_timeout_s + settings.testing.start_within_s + _MARGIN_S

    async def run(self) -> None:
        """Tidy every `tidy_files_every_s`, the first time after so long; with 0 never. Failures are logged, never raised."""
        while self._every_s:
            await self._sleep(self._every_s)
            with self._heartbeat.turn():
                await self.tidy()

    async def tidy(self) -> int:
        """Tidy all accounts once; returns the number of files that are gone."""
        before_ms = self._clock.now_ms() - int(self._least_age_s * 1000)
        return sum([await self._tidy(name, account.provider, before_ms) for name, account in self._accounts.items()])

    async def _tidy(self, account: str, provider: Provider, before_ms: int) -> int:
        deleted = 0
        self._heartbeat.beat()
        try:
            for file_id in await provider.orphan_files(before_ms):
                self._heartbeat.beat()  # one that hangs has its own time limit, and there may be hundreds
                deleted += await self._delete(account, provider, file_id)
        except ProviderError as error:
            log.warning("files_not_listed", account=account, said=str(error))
        except Exception:  # a file left behind costs nothing but its place; a worker that stops for one costs rounds
            log.exception("files_not_tidied", account=account)
        if deleted:
            log.info("files_tidied", account=account, deleted=deleted)
        return deleted

    @staticmethod
    async def _delete(account: str, provider: Provider, file_id: str) -> bool:
        try:
            await provider.delete_file(file_id)
        except ProviderError as error:  # the others may go all the same
            log.warning("file_not_deleted", account=account, file_id=file_id, said=str(error))
            return False
        return True
