"""The fields by which a log event names the rounds that it is about, so that one grep for a round reads its life."""

from typing import Any

from domain.cutting import ALL_ROUNDS
from domain.job import Job
from tables.view import PartitionView


def about(view: PartitionView, job: Job) -> dict[str, Any]:
    """Partition, job and its round; for a job over many rounds (nightly), all of those that are still pending."""
    plan = job.plan
    fields: dict[str, Any] = {"partition": view.partition, "job_id": job.job_id, "round": plan.round_key}
    if plan.round_key.startswith(ALL_ROUNDS):
        pending = (view.state.pending.get(member) for member in plan.members)
        fields["rounds"] = list(dict.fromkeys(one.round_key for one in pending if one is not None))
    return fields
