"""A provider in memory: it remembers what it was paid for, and does what a test says."""

import asyncio
import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field

from domain.answer import bundle_keys
from domain.reply import Reply, ReplyKind, Usage
from providers.protocol import (
    Ask,
    Candidate,
    ContentRefused,
    FailedBy,
    JobPhase,
    JobStatus,
    OutcomeUnknown,
    ProviderDown,
    ProviderError,
    ResultsNotWhole,
    StartRefused,
)

_NAME = re.compile(r"<(\w+)>")


def prompt(name: str) -> str:
    """The prompt of a comparison with this name."""
    return f"Compare the essays of <{name}>."


def justification(name: str) -> str:
    """What the provider answers to it."""
    return f"judged {name}"


@dataclass(slots=True)
class Batch:
    """One batch as the provider holds it: by custom id, the name asked for and how its row will end."""

    job_id: str
    rows: dict[str, tuple[str, str]] = field(default_factory=dict)
    ended: bool = False
    failed_by: FailedBy | None = None

    @property
    def lines(self) -> dict[str, str]:
        """The names asked for by the job's lines, without its shadows, by custom id."""
        return {custom_id: name for custom_id, (name, _) in self.rows.items() if not _is_shadow(custom_id)}


class ModelProvider:
    """Satisfies providers.protocol.Provider.

    The name of a bundle's row is that of its members, joined by "+". Rows end "answered" unless `endings[name]` says
    "expired", "missing", "refused" or "parameter" (calls too), …
    """

    key_hash = "key"

    def __init__(self, name: str = "openai") -> None:
        self.name = name
        self.batches: list[Batch] = []
        self._model = ""  # of the latest batch; a world asks for one model
        self.endings: defaultdict[str, deque[str]] = defaultdict(deque)
        self.refused: set[str] = set()  # names that are refused by content, alone or with their batch
        self.fates: deque[str] = deque()  # of the next creates: "timeout" does the work, "lost" does not, "twice" does it twice
        self.unreadable = False  # the list of batches
        self.learnt: set[tuple[str, str]] = set()  # model and parameter, of refused rows
        self.withheld: set[str] = set()  # names whose rows are counted, and do not come
        self.gone = False  # all results
        self.answered_by = ""  # the model that answers name, where it is not the one that was asked
        self.doubled: set[str] = set()  # names whose rows come twice
        self.surplus = 0  # answers that are counted and were never asked for
        self.unknown_files = 0  # so many creates do not find their input file, and make nothing
        self.while_unknown: Callable[[], None] = lambda: None  # called before each repeated create
        self.failures: deque[FailedBy] = deque()  # of the validations of the next batches
        self.refusal: ProviderError | None = None  # of every create and call
        self.tries = 0  # creates and calls, refused ones too
        self.while_uploading: Callable[[], None] = lambda: None
        self.calls: Counter[str] = Counter()
        self.ends_at_once = False

    def end_batches(self) -> None:
        """All batches end."""
        for batch in self.batches:
            batch.ended = True

    def paid(self) -> Counter[str]:
        """How often each comparison was answered, and so paid, by a batch."""
        rows = [name for custom_id, name in self._answered() if not _is_shadow(custom_id)]
        return Counter(one for name in rows for one in name.split("+"))

    def shadows_paid(self) -> Counter[str]:
        """How often the shadows of each comparison were answered by a batch; `name/swapped` counts the swapped ones."""
        return Counter(name for custom_id, name in self._answered() if _is_shadow(custom_id))

    def _answered(self) -> list[tuple[str, str]]:
        rows = [row for batch in self.batches for row in batch.rows.items()]
        return [(custom_id, name) for custom_id, (name, ending) in rows if ending == "answered"]

    async def create(self, job_id: str, asks: Iterable[Ask], *, start: Callable[[], bool], timeout_s: float) -> str:
        """Submit a batch."""
        names: dict[str, str] = {}
        for ask in asks:
            names[ask.custom_id] = _name(ask)
            self._model = ask.model
            await asyncio.sleep(0)
        self.while_uploading()
        if not start():
            raise StartRefused("the claim has run out")
        while self.unknown_files:
            self.unknown_files -= 1
            self.tries += 1
            await asyncio.sleep(0)
            self.while_unknown()
            if not start():
                raise StartRefused("the input file is not known")
        self._refuse()
        if any(self.refused.intersection(_members(name)) for name in names.values()):
            raise ContentRefused("a prompt is refused")
        fate = self.fates.popleft() if self.fates else ""
        if fate != "lost":
            failed = self.failures.popleft() if self.failures else None
            rows = {custom_id: (name, self._ending(name)) for custom_id, name in names.items()}
            for _ in range(2 if fate == "twice" else 1):
                self.batches.append(Batch(job_id, {} if failed else dict(rows), ended=self.ends_at_once, failed_by=failed))
        provider_job_id = f"batch-{len(self.batches) - 1}"
        await asyncio.sleep(0)
        if fate:
            raise OutcomeUnknown("no answer to the create request")
        return provider_job_id

    def _ending(self, name: str) -> str:
        return self.endings[name].popleft() if self.endings[name] else "answered"

    async def look(self, provider_job_id: str) -> JobStatus:
        """Poll a batch."""
        await asyncio.sleep(0)
        batch = self._batch(provider_job_id)
        if batch.failed_by is not None:
            untold = self.name == "google"
            return JobStatus(JobPhase.FAILED, "failed", failure="a_code", failed_by=batch.failed_by, cost_known=not untold)
        return JobStatus(JobPhase.ENDED if batch.ended else JobPhase.RUNNING)

    async def replies(self, provider_job_id: str) -> AsyncIterator[Reply]:
        """The rows, in the order of the asks."""
        paid = 0
        for custom_id, (name, ending) in self._batch(provider_job_id).rows.items():
            await asyncio.sleep(0)
            if self.gone or name in self.withheld:
                paid += ending == "answered"
            elif ending == "expired":
                yield Reply(custom_id, ReplyKind.EXPIRED)
            elif ending == "refused":
                yield _refused(custom_id)
            elif ending == "parameter":
                yield _refused(custom_id, "temperature")
            elif ending == "answered":
                yield _answer(custom_id, name, self.answered_by or self._model)
                if name in self.doubled:
                    yield _answer(custom_id, "another's", self.answered_by or self._model)
        paid += self.surplus
        if paid:
            raise ResultsNotWhole(f"{paid} answers did not come", gone=self.gone, paid=paid)

    async def call(self, ask: Ask, *, timeout_s: float) -> Reply:
        """Answer one call."""
        await asyncio.sleep(0)
        self._refuse()
        name = _name(ask)
        self.calls.update([f"{name} again" if _is_shadow(ask.custom_id) and "/" not in name else name])
        ending = self._ending(name)
        if self.refused.intersection(_members(name)) or ending == "refused":
            return _refused(ask.custom_id)
        if ending == "parameter":
            return _refused(ask.custom_id, "temperature")
        return _answer(ask.custom_id, name, self.answered_by or ask.model)

    def learn(self, model: str, reply: Reply) -> None:
        """Note what a row was refused for."""
        if reply.parameter:
            self.learnt.add((model, reply.parameter))

    async def cancel(self, provider_job_id: str) -> None:
        """End a batch now; what it has answered stays, and at Google nothing does."""
        batch = self._batch(provider_job_id)
        if self.name == "google" and not batch.ended:
            batch.rows.clear()
        batch.ended = True

    async def candidates(self, claimed_ms: int) -> tuple[Candidate, ...]:
        """All batches, newest first; the model's list shows no times."""
        if self.unreadable:
            raise ProviderDown("the list cannot be read")
        found = [
            Candidate(f"batch-{number}", claimed_ms, len(batch.rows), batch.ended, batch.job_id)
            for number, batch in enumerate(self.batches)
        ]
        return tuple(reversed(found))

    async def owner(self, provider_job_id: str) -> str | None:
        """The job of a batch."""
        return self._batch(provider_job_id).job_id

    async def orphan_files(self, before_ms: int) -> tuple[str, ...]:
        """The model uploads no files."""
        return ()

    async def delete_file(self, file_id: str) -> None:
        """The model has none."""

    async def close(self) -> None:
        """Nothing is open."""

    def _refuse(self) -> None:
        self.tries += 1
        if self.refusal is not None:
            raise self.refusal

    def _batch(self, provider_job_id: str) -> Batch:
        return self.batches[int(provider_job_id.removeprefix("batch-"))]


def _name(ask: Ask) -> str:
    text = "".join(block.text for block in ask.blocks)
    found = _NAME.search(text)
    if found is None:
        raise ValueError(f"{ask.custom_id} asks for nothing that the model knows")
    is_swapped = f"**Essay A (ID: {found[1]}-b)" in text
    if ask.answers > 1:
        return "+".join(dict.fromkeys(_NAME.findall(text)))
    return f"{found[1]}/swapped" if is_swapped else found[1]


def _members(name: str) -> list[str]:
    return name.removesuffix("/swapped").split("+")


def _is_shadow(custom_id: str) -> bool:
    return custom_id.rpartition("-")[2].startswith("s")


def _refused(custom_id: str, parameter: str = "") -> Reply:
    said = "could not parse the JSON body"
    return Reply(
        custom_id,
        ReplyKind.ERRORED,
        error_type="invalid_request_error",
        error_message=said,
        http_status=400,
        parameter=parameter,
    )


def _answer(custom_id: str, name: str, model: str) -> Reply:
    answers = [{"winner": "Essay A", "justification": justification(one), "confidence": 3} for one in name.split("+")]
    keyed = dict(zip(bundle_keys(len(answers)), answers, strict=True)) if len(answers) > 1 else answers[0]
    text = json.dumps(keyed)
    return Reply(custom_id, ReplyKind.SUCCEEDED, model=model, text=text, usage=Usage(100, 10))
