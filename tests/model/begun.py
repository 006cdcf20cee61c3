"""Workers that have come to a certain step of a round, from which an interleaving begins."""

from domain.comparison import Member
from domain.reconciling import Overdue
from streams.wire import work
from tests.model.worker import ModelWorker
from tests.model.world import World


async def planned(world: World, *names: str) -> ModelWorker:
    """A worker that has sent the plan of a round: JobPlanned is in the log, and nobody has read it."""
    worker = await world.start()
    world.request(*names)
    await worker.collect()
    await worker.land()
    world.commit(worker)
    assert isinstance(world.work_records()[-1], work.JobPlanned)
    return worker


async def claiming(world: World, *names: str) -> ModelWorker:
    """The same one step on: the job is known and acknowledged, the claim is in flight."""
    worker = await planned(world, *names)
    await worker.reconcile()
    await worker.land("jobs", "audits")
    world.commit(worker)
    return worker


async def overtaken(world: World, *names: str) -> tuple[ModelWorker, ModelWorker]:
    """Two workers: one has collected a round and still has all of that in flight; another has meanwhile answered the round."""
    sleeper = await world.start()
    world.request(*names)
    await sleeper.collect()
    other = await world.start()
    await world.finish(other)
    world.check()
    return sleeper, other


def only_job(worker: ModelWorker) -> str:
    (job_id,) = worker.view.state.jobs
    return job_id


def overdue(world: World, *positions: int, offset: int = 0) -> work.DeadlinePassed:
    late = [Overdue(Member(offset, at), "openai", "m", "batch_api", world.clock.now_ms() - 1) for at in positions]
    return work.DeadlinePassed(overdue=tuple(late))
