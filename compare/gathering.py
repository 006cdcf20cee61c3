"""From request records to jobs, by the worker's own decisions: arrival, windows, cutting, prompts. Time is an argument."""

from agents.jobs.prompts import ask_of, source_of
from agents.planning.resolve import candidate
from agents.planning.rules import job_limits, policy, schedules
from domain.arriving import arrive
from domain.closing import Progress, Window, due
from domain.comparison import Member
from domain.cutting import cut
from domain.job import Job
from domain.outcome import Ending
from domain.partition.state import PartitionState
from domain.strategies import STRATEGIES, Closes
from providers.protocol import Ask
from settings.settings import PROVIDERS, Settings
from streams.wire.requests import InboundMember, read_record


class Gathering:
    """One partition of a worker, as far as it decides and does not send."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._state = PartitionState(0)
        self._members: dict[Member, InboundMember] = {}
        self._limits, self._schedules = job_limits(settings), schedules(settings)
        self._policies = {name: policy(settings, name) for name in PROVIDERS}
        self._offset = 0
        self._work_offset = 0

    def take(self, value: bytes, now_ms: int) -> None:
        """Take one request record in."""
        offset, self._offset = self._offset, self._offset + 1
        read = read_record(value, max_prompt_bytes=self._settings.max_prompt_bytes)
        self._members |= {Member(offset, one.position): one for one in read.members}
        candidates = [candidate(read, one, offset, now_ms, self._settings) for one in read.members]
        entries = arrive(offset, now_ms, candidates, self._state.ids, part=read.part, parts=read.parts)
        self._state.learn_record(offset, entries, now_ms)

    def close(self, now_ms: int) -> list[Job]:
        """The jobs of all windows that are due."""
        jobs: list[Job] = []
        for window in list(self._state.windows.values()):
            closed_by = due(
                window,
                self._state.progress.get(window.round_key, Progress()),
                now_ms,
                quiet_s=self._settings.quiet_s,
                age_s=self._settings.window_age_s,
                limits=self._limits,
                schedules=self._schedules,
            )
            if closed_by is None:
                continue
            members = list(window.members.values())
            for plan in cut(members, closed_by=closed_by, limits=self._limits, policies=self._policies):
                job = self._state.job_of(plan, self._work_offset, now_ms, 0)
                self._work_offset += 1
                self._state.learn_planned(job)
                jobs.append(job)
        return jobs

    def looks_ms(self) -> list[int]:
        """When the windows that are open now may be due if nothing else comes."""
        return [self._look_ms(window) for window in self._state.windows.values()]

    def _look_ms(self, window: Window) -> int:
        if STRATEGIES[window.strategy].closes is Closes.SCHEDULE:
            provider = next(iter(window.members.values())).resolved.provider
            return self._schedules[provider].next_tick_ms(window.opened_ms or 0)
        quiet_ms = window.last_ms + int(self._settings.quiet_s * 1000)
        return min(quiet_ms, window.first_ms + int(self._settings.window_age_s * 1000))

    def ask(self, job: Job, line: int) -> Ask:
        """What is asked for a line."""
        sources = [source_of(self._members[member], job.plan, self._settings) for member in job.plan.lines[line]]
        return ask_of(job.custom_id(line), job.plan, sources, self._settings)

    def correlation_id(self, member: Member) -> str:
        """The request's own id."""
        return str(self._members[member].correlation_id)

    def end(self, member: Member) -> None:
        """Let go of a comparison that is answered."""
        self._state.learn_endings((Ending(member, "answered"),))
        del self._members[member]
