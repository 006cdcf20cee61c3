"""The planner: from a request record to the plans of jobs.

It reads and keeps nothing but settings: the state of the partition and the time are arguments, and it sends and writes nothing.
The worker drives it from collect (`arrive`) and from the closer (`due`, `cut`); `roundbatch explain FILE` and
`roundbatch compare` drive it from a Rehearsal, each over a clock of its own. So a forecast is what the worker would do.
"""

from collections.abc import Iterable

from msgspec import Struct

from agents.planning.resolve import Resolver
from agents.planning.rules import audit_rule, job_limits, policy, schedules
from domain.arriving import arrive
from domain.closing import Progress, Window, due, next_due_ms
from domain.cutting import Pending, cut
from domain.job import ClosedBy, Plan
from domain.partition.state import PartitionState
from domain.providers import PROVIDERS
from domain.rounds import RoundEntry
from settings.settings import Settings
from streams.wire.requests import InboundMember, InboundRecord, read_record


class Unanswerable(Struct, frozen=True, gc=False):
    """A member that no event can answer: a dead letter, with the reason as a word and as a sentence."""

    member: InboundMember
    reason: str
    error: str


class Judged(Struct, frozen=True, gc=False):
    """A record that was judged on arrival: what it brings to each round, and the members that belong to none."""

    record: InboundRecord
    entries: tuple[RoundEntry, ...]
    unanswerable: tuple[Unanswerable, ...]


class Planner:
    """Judges what arrives, says when a window is due, and cuts it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._resolver = Resolver(settings)
        self._limits = job_limits(settings)
        self._policies = {provider: policy(settings, provider) for provider in PROVIDERS}
        self._audits = audit_rule(settings)
        self.schedules = schedules(settings)  # of nightly windows, by provider

    def read(self, value: bytes | None) -> InboundRecord:
        """Read a request record. Raises Undecodable when nothing in it can be answered."""
        return read_record(value, max_prompt_bytes=self._settings.max_prompt_bytes)

    def arrive(self, state: PartitionState, record: InboundRecord, offset: int, append_ms: int) -> Judged:
        """Judge every member of a record. The state must not know the record, unless from an earlier reading of it."""
        candidates, unanswerable = [], []
        for member in record.members:
            lost = self._unanswerable(member)
            if lost is None:
                candidates.append(self._resolver.candidate(record, member, offset, append_ms))
            else:
                unanswerable.append(lost)
        known = state.history.known([one.arrival.correlation_id for one in candidates], append_ms)
        entries = arrive(offset, append_ms, candidates, known, part=record.part, parts=record.parts)
        return Judged(record, entries, tuple(unanswerable))

    def _unanswerable(self, member: InboundMember) -> Unanswerable | None:
        if member.correlation_id is None:
            return Unanswerable(member, "no_correlation_id", "no correlation id can be read: send a UUID")
        if member.callback_topic is None:
            return Unanswerable(member, "no_callback_topic", "no callback topic can be read")
        if member.callback_topic not in self._settings.allowed_callback_topics:
            allowed = ", ".join(self._settings.allowed_callback_topics)
            said = f"callback topic {member.callback_topic!r} is not allowed; allowed: {allowed}"
            return Unanswerable(member, "callback_topic_not_allowed", said)
        return None

    def due(self, state: PartitionState, window: Window, now_ms: int) -> ClosedBy | None:
        """Why a window is to be closed now, or None."""
        return due(
            window,
            state.progress.held(window.round_key) or Progress(),
            now_ms,
            quiet_s=self._settings.quiet_s,
            age_s=self._settings.window_age_s,
            limits=self._limits,
            schedules=self.schedules,
        )

    def next_due_ms(self, window: Window) -> int:
        """When a window that is not due will be, if nothing else comes."""
        return next_due_ms(window, quiet_s=self._settings.quiet_s, age_s=self._settings.window_age_s, schedules=self.schedules)

    def cut(self, state: PartitionState, gathered: Iterable[Pending], closed_by: ClosedBy) -> tuple[Plan, ...]:
        """The plans of what a window has gathered."""
        return cut(
            gathered,
            closed_by=closed_by,
            limits=self._limits,
            policies=self._policies,
            corrections=state.corrections,
            audits=self._audits,
        )
