"""When an account is paused, and which one job may be sent to find out whether it answers again (the trier)."""

from dataclasses import dataclass, replace
from enum import StrEnum

from domain.back_off import BackOff
from domain.reply import ErrorCode

# How many failures in a row, without an answer in between, put the account at fault: those of three different subjects, or four
# failures of two. One subject alone may itself be what the provider fails on, and must not stop the others.
FAILING_TO_PAUSE = 3
FAILURES_OF_TWO_TO_PAUSE = 4
# A try of which nothing has been heard for so long is lost (its partition has moved away, or its answer never came), and
# another job may try.
TRY_LOST_AFTER_S = 600.0
_LONGEST_MESSAGE = 300


class Trouble(StrEnum):
    """What is wrong with an account."""

    QUOTA = "quota"  # spend limit, credit
    KEY = "key"
    CONFIGURATION = "configuration"  # for example a wrong base URL
    DOWN = "down"


OF_CODE = {
    ErrorCode.QUOTA_EXCEEDED: Trouble.QUOTA,
    ErrorCode.AUTHENTICATION_ERROR: Trouble.KEY,
    ErrorCode.CONFIGURATION_ERROR: Trouble.CONFIGURATION,
}


@dataclass(frozen=True, slots=True)
class Pause:
    """Why an account is paused, since when (ms since the epoch), and when it is tried again (seconds of the running clock).

    Comparisons whose deadline passes meanwhile end in `code` and `message`. `trier`: the subject whose job tries the account at
    present, "" where none does. `tried_at_s`: when it was sent.
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
    """One account, paused or not.

    A subject names what is sent by its first comparison. Planned again under another job id it is the same subject, so that its
    failures count as those of one.
    """

    pause: Pause | None = None
    failing: tuple[str, ...] = ()  # the subjects of the latest failures since the last answer

    def try_is_due(self, now_s: float) -> bool:
        """Whether the account is paused, and a job may be sent to try it now."""
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
        """Note that a subject is being sent; where the account is paused, it becomes the trier."""
        if self.pause is None or self.pause.trier == subject:
            return self
        return replace(self, pause=replace(self.pause, trier=subject, tried_at_s=now_s))

    def answered(self, subject: str) -> "Circuit":
        """Note that the provider did what it was asked: the account is well, and a pause ends.

        The answer to something that was sent before the pause ends only a pause for an outage. Money and key were judged when
        it was sent, so it says nothing about them now.
        """
        pause = self.pause
        if pause is not None and pause.trier != subject and pause.trouble is not Trouble.DOWN:
            return self
        return Circuit()

    def told_nothing(self, subject: str, now_s: float, back_off: BackOff) -> "Circuit":
        """Note that the try told nothing about the account (not sent, throttled, content refused): another job may try."""
        pause = self.pause
        if pause is None or pause.trier != subject:
            return self
        return replace(self, pause=replace(pause, trier="", try_at_s=now_s + min(1.0, back_off.first_s)))

    def refused(
        self, subject: str, code: ErrorCode, message: str, *, certain: bool, now_s: float, now_ms: int, back_off: BackOff
    ) -> "Circuit":
        """Note that the provider refused or failed.

        `certain`: the account is at fault, whatever was asked, so it is paused at the first failure. Otherwise it is paused
        when enough different subjects have failed.
        """
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
        # An outage says nothing about the money or key that the account is paused for.
        if trouble is Trouble.DOWN and pause.trouble is not Trouble.DOWN:
            trouble, code, message = pause.trouble, pause.code, pause.message
        again = Pause(trouble, code, message, pause.since_ms, now_s + back_off.wait_s(tries), tries)
        return Circuit(again)
