"""When an account is paused, and which one try may find out whether it answers again."""

from dataclasses import dataclass, replace
from enum import StrEnum

from domain.back_off import BackOff
from domain.reply import ErrorCode

# Failures one after another, none answered between them, before the account is held to be at fault: of three comparisons, or of
# two that have both been tried again. One alone may be what the provider fails on, and must not stop the others.
FAILING_TO_PAUSE = 3
FAILURES_OF_TWO_TO_PAUSE = 4
# A try that has told nothing for so long has been lost (its partition went, its answer never came): another may go.
TRY_LOST_AFTER_S = 600.0
_LONGEST_MESSAGE = 300


class Trouble(StrEnum):
    """What is wrong with an account."""

    QUOTA = "quota"  # spend limit, credit
    KEY = "key"
    CONFIGURATION = "configuration"  # as a wrong base URL
    DOWN = "down"


OF_CODE = {
    ErrorCode.QUOTA_EXCEEDED: Trouble.QUOTA,
    ErrorCode.AUTHENTICATION_ERROR: Trouble.KEY,
    ErrorCode.CONFIGURATION_ERROR: Trouble.CONFIGURATION,
}


@dataclass(frozen=True, slots=True)
class Pause:
    """Why an account is paused, since when (ms since the epoch), and when it is tried again (the running clock's seconds).

    `code` and `message` end those whose deadline passes meanwhile. `trier`: the subject that is being tried, "" for none.
    """

    trouble: Trouble
    code: ErrorCode
    message: str
    since_ms: int
    try_at_s: float
    tries: int = 0
    trier: str = ""
    tried_at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """One account. A subject is the first comparison of what is sent: planned again it keeps its name, and counts once."""

    pause: Pause | None = None
    failing: tuple[str, ...] = ()  # subjects of the failures since the last answer, the latest few

    def try_is_due(self, now_s: float) -> bool:
        """Whether the account is paused, and somebody may try it now."""
        pause = self.pause
        if pause is None:
            return False
        if pause.trier:
            return now_s >= pause.tried_at_s + TRY_LOST_AFTER_S
        return now_s >= pause.try_at_s

    def lets(self, subject: str, now_s: float) -> bool:
        """Whether this subject may be sent now."""
        return self.pause is None or self.pause.trier == subject or self.try_is_due(now_s)

    def sent(self, subject: str, now_s: float) -> "Circuit":
        """The subject is being sent; where the account is paused it is the one try."""
        if self.pause is None or self.pause.trier == subject:
            return self
        return replace(self, pause=replace(self.pause, trier=subject, tried_at_s=now_s))

    def answered(self, subject: str) -> "Circuit":
        """The provider did what it was asked: the account is well.

        One that was sent before the pause does not end it, for its spend or key was judged then; only of an outage it tells.
        """
        pause = self.pause
        if pause is not None and pause.trier != subject and pause.trouble is not Trouble.DOWN:
            return self
        return Circuit()

    def told_nothing(self, subject: str, now_s: float, back_off: BackOff) -> "Circuit":
        """The try came back without a word about the account (not sent, throttled, its content refused): another may go."""
        pause = self.pause
        if pause is None or pause.trier != subject:
            return self
        return replace(self, pause=replace(pause, trier="", try_at_s=now_s + min(1.0, back_off.first_s)))

    def refused(
        self, subject: str, code: ErrorCode, message: str, *, certain: bool, now_s: float, now_ms: int, back_off: BackOff
    ) -> "Circuit":
        """The provider refused or failed. `certain`: it is the account, whatever was asked; else so many must say it first."""
        pause, trouble = self.pause, OF_CODE.get(code, Trouble.DOWN)
        message = message[:_LONGEST_MESSAGE]
        if pause is None:
            failing = (*self.failing, subject)[-FAILURES_OF_TWO_TO_PAUSE:]
            different = len(set(failing))
            many = different >= FAILING_TO_PAUSE or (different > 1 and len(failing) >= FAILURES_OF_TWO_TO_PAUSE)
            if not (certain or many):
                return replace(self, failing=failing)
            return Circuit(Pause(trouble, code, message, now_ms, now_s + back_off.wait_s(0)))
        if pause.trier != subject:  # sent before the pause
            return self
        tries = pause.tries + 1
        if trouble is Trouble.DOWN and pause.trouble is not Trouble.DOWN:  # nothing is said of what the pause is for
            trouble, code, message = pause.trouble, pause.code, pause.message
        again = Pause(trouble, code, message, pause.since_ms, now_s + back_off.wait_s(tries), tries)
        return Circuit(again)
