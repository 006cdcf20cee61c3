"""Paused accounts: a refusal pauses an account, its jobs wait, and now and then one job tries whether it answers again.

The worker goes on: other accounts are asked, batches that are known are polled and read.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from agents.accounts.pause_file import PauseStore
from agents.accounts.wake import Wake
from agents.metrics.money import MoneyCounters
from domain.back_off import BackOff
from domain.circuit import Circuit, Pause
from domain.comparison import Member
from domain.job import JobKey
from domain.reply import ErrorCode, Reply, ReplyKind
from providers.protocol import AccountRefused, OutcomeUnknown, ProviderDown, ProviderError
from streams.clock import Clock

log = structlog.get_logger("pauses")


@dataclass(frozen=True, slots=True, order=True)
class _Waiting:
    """A waiting job; the least one is chosen for the next try. `subject` stays when it is planned again, under another id."""

    members: int
    deadline_ms: int
    subject: str


def subject_of(partition: int, member: Member) -> str:
    """The name of what is sent, by its first comparison: it stays the same when that is planned again."""
    return f"{partition}/{member.offset}/{member.position}"


class Pauses:
    """A circuit breaker for each account (`domain.circuit`), and the jobs that wait for it."""

    def __init__(
        self,
        keys: Mapping[str, str],
        back_off: BackOff,
        store: PauseStore,
        counters: MoneyCounters,
        clock: Clock,
        wake: Wake,
    ) -> None:
        """`keys`: by account, the hash of its key. A pause of another key is not taken over from the store."""
        self._keys, self._back_off, self._store = keys, back_off, store
        self._counters, self._clock, self._wake = counters, clock, wake
        self._circuits = dict.fromkeys(keys, Circuit())
        self._waiting: dict[str, dict[JobKey, _Waiting]] = {account: {} for account in keys}
        self._woken: dict[str, Counter[str]] = {account: Counter() for account in keys}  # how often each subject was woken
        self._wake_at_s = dict.fromkeys(keys, float("-inf"))

    def recall(self) -> None:
        """Take over the pauses of the process before this one; each account may be tried at once."""
        for account, (key_hash, pause) in self._store.read().items():
            if self._keys.get(account) == key_hash:
                now_s = self._clock.running_s()
                again = Pause(pause.trouble, pause.code, pause.message, pause.since_ms, now_s)
                self._circuits[account] = Circuit(again)
                log.warning("account_paused", account=account, trouble=pause.trouble.value, said=pause.message, recalled=True)

    # -- what the dispatcher asks ----------------------------------------------------------------------------------

    def pause_of(self, account: str) -> Pause | None:
        """Why the account is paused; None when it is not."""
        return self._circuits[account].pause

    def lets(self, account: str, subject: str) -> bool:
        """Whether this subject may be sent now."""
        return self._circuits[account].lets(subject, self._clock.running_s())

    def sending(self, account: str, subject: str) -> bool:
        """Whether this subject may be sent now. If so, it counts as sent: at a paused account it is the one try."""
        now_s = self._clock.running_s()
        if not self._circuits[account].lets(subject, now_s):
            return False
        self._circuits[account] = self._circuits[account].sent(subject, now_s)
        return True

    def wait(self, account: str, job: JobKey, subject: str, deadline_ms: int, members: int) -> None:
        """Remember a job that waits. It is woken to try the account, small jobs first, and when the account answers again."""
        self._waiting[account][job] = _Waiting(members, deadline_ms, subject)

    # -- what came of it -------------------------------------------------------------------------------------------

    def replied(self, account: str, subject: str, reply: Reply) -> None:
        """A call was answered. A refused prompt does not end a pause: it may not show that the account may spend again."""
        if reply.kind is ReplyKind.SUCCEEDED or self.pause_of(account) is None:
            self.answered(account, subject)
        else:
            self.told_nothing(account, subject)

    def answered(self, account: str, subject: str) -> None:
        """The provider did what it was asked."""
        self._become(account, self._circuits[account].answered(subject))

    def told_nothing(self, account: str, subject: str) -> None:
        """Nothing was learned of the account: the subject was not sent after all, was throttled, or its content was refused."""
        pause = self.pause_of(account)
        if pause is not None and pause.trier == subject:
            self._counters.probed(account, "unclear")
        self._become(account, self._circuits[account].told_nothing(subject, self._clock.running_s(), self._back_off))

    def failed(self, account: str, subject: str, error: ProviderError) -> bool:
        """A failure; returns whether the account is paused now. Then what failed waits with all others, and uses no attempt."""
        if not isinstance(error, AccountRefused | ProviderDown | OutcomeUnknown):
            self.told_nothing(account, subject)
            return False
        refused = isinstance(error, AccountRefused)
        code = ErrorCode(error.code) if isinstance(error, AccountRefused) else ErrorCode.EXTERNAL_SERVICE_ERROR
        certain = error.certain if isinstance(error, AccountRefused) else getattr(error, "unreachable", False)
        return self._refused(account, subject, code, str(error), certain=certain, refused=refused)

    def row_refused(self, account: str, subject: str, code: ErrorCode, message: str) -> None:
        """A row of a batch says that the account is at fault."""
        self._refused(account, subject, code, message, certain=True, refused=True)

    def _refused(self, account: str, subject: str, code: ErrorCode, message: str, *, certain: bool, refused: bool) -> bool:
        before = self.pause_of(account)
        after = self._circuits[account].refused(
            subject,
            code,
            message,
            certain=certain,
            now_s=self._clock.running_s(),
            now_ms=self._clock.now_ms(),
            back_off=self._back_off,
        )
        if before is not None and before.trier == subject and after.pause is not None:
            self._counters.probed(account, "failed")
            wait_s = round(after.pause.try_at_s - self._clock.running_s(), 3)
            log.warning("account_probe_failed", account=account, said=message[:300], tries=after.pause.tries, wait_s=wait_s)
        self._become(account, after)
        return after.pause is not None

    def _become(self, account: str, circuit: Circuit) -> None:
        before, self._circuits[account] = self._circuits[account].pause, circuit
        pause = circuit.pause
        if pause is not None and before is None:
            self._counters.paused(account, pause.trouble.value)
            log.error("account_paused", account=account, trouble=pause.trouble.value, code=pause.code, said=pause.message)
            self._save()
        elif pause is None and before is not None:
            self._counters.probed(account, "closed")
            waited_s = round((self._clock.now_ms() - before.since_ms) / 1000, 1)
            waiting, self._waiting[account] = self._waiting[account], {}
            self._woken[account].clear()
            log.info("account_resumed", account=account, after_s=waited_s, jobs=len(waiting))
            self._save()
            for partition, job_id in sorted(waiting, key=lambda job: waiting[job].deadline_ms):
                self._wake(partition, job_id)

    def _save(self) -> None:
        paused = {account: circuit.pause for account, circuit in self._circuits.items() if circuit.pause is not None}
        self._store.write({account: (self._keys[account], pause) for account, pause in paused.items()})

    # -- as time passes --------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """At each paused account whose next try is due, wake one job: of those that tried least often, the smallest."""
        now_s = self._clock.running_s()
        for account, circuit in self._circuits.items():
            if not circuit.try_is_due(now_s) or now_s < self._wake_at_s[account]:
                continue
            waiting, woken = self._waiting[account], self._woken[account]
            while waiting:
                job = min(waiting, key=lambda one: (woken[waiting[one].subject], waiting[one]))
                subject = waiting.pop(job).subject
                if self._wake(*job):
                    woken[subject] += 1
                    # The job tries within the second. If it cannot (no place, no money), another is woken after that.
                    self._wake_at_s[account] = now_s + min(1.0, self._back_off.first_s)
                    break

    def waiting(self, account: str) -> int:
        """How many jobs wait for the account."""
        return len(self._waiting[account])

    def next_try_s(self, account: str) -> float:
        """Seconds until the account may be tried; 0 when it may be now, or is not paused."""
        pause = self.pause_of(account)
        return 0.0 if pause is None else max(0.0, pause.try_at_s - self._clock.running_s())
