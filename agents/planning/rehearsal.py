"""One partition of a worker that plans and does not send: what would become of request records, over a clock of the caller."""

from agents.planning.planner import Judged, Planner
from domain.comparison import Member
from domain.job import Job
from domain.outcome import Ending
from domain.partition.state import PartitionState
from settings.settings import Settings
from streams.wire.requests import InboundMember


class Rehearsal:
    """A partition that begins empty. Every plan counts as read back at once, and every record as acknowledged."""

    def __init__(self, settings: Settings, partition: int = 0) -> None:
        self.planner = Planner(settings)
        self.state = PartitionState(partition)
        self.members: dict[Member, InboundMember] = {}
        self._offset = 0
        self._work_offset = 0

    def take(self, value: bytes, now_ms: int) -> Judged:
        """Take one request record in. Raises Undecodable."""
        offset, self._offset = self._offset, self._offset + 1
        record = self.planner.read(value)
        self.members |= {Member(offset, one.position): one for one in record.members}
        judged = self.planner.arrive(self.state, record, offset, now_ms)
        self.state.learn_record(offset, judged.entries, now_ms)
        return judged

    def close(self, now_ms: int) -> list[Job]:
        """Close every window that is due; returns the jobs, planned at this moment."""
        jobs: list[Job] = []
        for window in list(self.state.windows.values()):
            closed_by = self.planner.due(self.state, window, now_ms)
            if closed_by is None:
                continue
            for plan in self.planner.cut(self.state, window.members.values(), closed_by):
                job = self.state.job_of(plan, self._work_offset, now_ms, 0)
                self._work_offset += 1
                self.state.learn_planned(job)
                jobs.append(job)
        return jobs

    def looks_ms(self) -> list[int]:
        """When the windows that are open now will be due if nothing else comes."""
        return [self.planner.next_due_ms(window) for window in self.state.windows.values()]

    def end(self, member: Member) -> None:
        """Forget a comparison, for it is answered."""
        self.state.learn_endings((Ending(member, "answered"),))
        del self.members[member]
