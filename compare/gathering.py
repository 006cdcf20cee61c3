"""From request records to jobs and prompts, as the worker makes them. Time is an argument."""

from agents.jobs.prompts import ask_of, source_of
from agents.planning.rehearsal import Rehearsal
from domain.comparison import Member
from domain.job import Job
from providers.protocol import Ask
from settings.settings import Settings


class Gathering(Rehearsal):
    """One partition of a worker, as far as it decides and does not send."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._settings = settings

    def ask(self, job: Job, line: int) -> Ask:
        """The ask of one line of a job."""
        sources = [source_of(self.members[member], job.plan, self._settings) for member in job.plan.lines[line]]
        return ask_of(job.custom_id(line), job.plan, sources, self._settings)

    def correlation_id(self, member: Member) -> str:
        """The correlation id of a member's request."""
        return str(self.members[member].correlation_id)
