"""Files without a batch: which are deleted, when, and that no failure matters."""

import asyncio

import pytest
import structlog

from agents.jobs.orphan_files import OrphanFiles
from agents.liveness.heartbeats import Heartbeat
from providers.account import Account
from providers.limits.account_limits import only_concurrent
from providers.limits.limiter import Limiter
from providers.protocol import JobNotVisible, ProviderDown
from settings.settings import Settings
from settings.testing import ForTesting
from tests.model.log import ModelClock
from tests.model.provider import ModelProvider


class Files(ModelProvider):
    """A provider with files: id → when it was uploaded, in ms."""

    def __init__(self, **files: int) -> None:
        super().__init__()
        self.files = files
        self.list_fails: Exception | None = None
        self.kept: set[str] = set()

    async def orphan_files(self, before_ms: int) -> tuple[str, ...]:
        """Those uploaded before that time."""
        if self.list_fails is not None:
            raise self.list_fails
        return tuple(name for name, uploaded_ms in self.files.items() if uploaded_ms < before_ms)

    async def delete_file(self, file_id: str) -> None:
        """Delete one."""
        if file_id in self.kept:
            raise JobNotVisible("no permission")
        del self.files[file_id]


def tidying(clock: ModelClock, *providers: Files, every_s: float = 3600.0) -> OrphanFiles:
    accounts = {str(number): Account(str(number), one, Limiter(only_concurrent(1))) for number, one in enumerate(providers)}
    settings = Settings(testing=ForTesting(create_timeout_s=120, start_within_s=130), tidy_files_every_s=every_s)

    heartbeat = Heartbeat(clock.running_s, clock.running_s())

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)
        if clock.now_ms() > END_MS:
            raise asyncio.CancelledError

    return OrphanFiles(settings, accounts, clock, heartbeat, sleep=sleep)


START_MS = ModelClock().now_ms()
END_MS = START_MS + 5 * 3_600_000


async def test_files_are_deleted_when_no_claim_can_use_them_any_more() -> None:
    clock = ModelClock()
    provider = Files(old=START_MS - 3_850_001, young=START_MS - 3_850_000)
    assert await tidying(clock, provider).tidy() == 1
    assert list(provider.files) == ["young"]


async def test_failures_are_logged_and_the_rest_is_tidied() -> None:
    broken, odd, sound = Files(a=0), Files(a=0), Files(a=0, b=0, c=0)
    broken.list_fails, odd.list_fails, sound.kept = ProviderDown("503"), KeyError("id"), {"b"}
    with structlog.testing.capture_logs() as logs:
        assert await tidying(ModelClock(), broken, odd, sound).tidy() == 2
    assert list(sound.files) == ["b"]
    assert [entry["event"] for entry in logs] == ["files_not_listed", "files_not_tidied", "file_not_deleted", "files_tidied"]


async def test_many_files_that_hang_at_the_provider_are_no_loop_that_hangs() -> None:
    """Each has its time limit of a minute; six of them ended the worker."""
    clock = ModelClock()
    provider = Files(**{f"file{number}": 0 for number in range(10)})
    silent_s: list[float] = []

    async def hangs(file_id: str) -> None:
        clock.advance(60)
        silent_s.append(made._heartbeat.silent_s)
        raise ProviderDown("ReadTimeout")

    provider.delete_file = hangs  # type: ignore[method-assign]
    made = tidying(clock, provider, provider)
    with structlog.testing.capture_logs():
        await made.tidy()
    assert silent_s == [60.0] * 20


async def test_it_is_done_each_hour_until_the_worker_stops() -> None:
    clock = ModelClock()
    provider = Files(one=START_MS - 1, two=START_MS + 3_600_000)
    with pytest.raises(asyncio.CancelledError):
        await tidying(clock, provider).run()
    assert provider.files == {}


async def test_never() -> None:
    provider = Files(old=0)
    await tidying(ModelClock(), provider, every_s=0).run()
    assert list(provider.files) == ["old"]
