"""The seam between the worker and an LLM provider: what is asked, what comes back, how it fails.

Failures (all ProviderError):
    ContentRefused      the request itself is at fault (on a call 400, 413, 422; of a batch a refusal that names a line or row)
    AccountRefused      quota, spend limit, key or permission: waiting or an operator helps, another request does not
    Throttled           429 or 529 on a call or a create, with the seconds to wait where the provider said them
    ProviderDown        5xx, connection refused before anything was sent, or a refusal that says nothing of the content:
                        nothing was done
    OutcomeUnknown      timeout or reset after the request went out: it may have been done
    JobNotVisible       404 or 403 on a known job id
    ResultsNotWhole     an ended batch was read, and rows that it counts did not come
"""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from msgspec import Struct

from domain.reply import Reply


class ProviderError(Exception):
    """A provider did not do what was asked; the message says what it answered, never the prompt."""


class ContentRefused(ProviderError):
    """The request is at fault: sending it again cannot help."""


class AccountRefused(ProviderError):
    """The account is at fault: quota, spend limit, key or permission. `code` is the error code for the wire.

    certain: it is so whatever is asked. A permission may be missing for one model alone.
    """

    def __init__(self, message: str, code: str, *, certain: bool = True) -> None:
        super().__init__(message)
        self.code = code
        self.certain = certain


class Throttled(ProviderError):
    """Too many requests, or the provider is overloaded; nothing was done."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ProviderDown(ProviderError):
    """The provider failed and certainly did nothing that is paid for (5xx, connection refused, an unexplained refusal).

    unreachable: not even a connection was made, so that nothing asked can be at fault.
    """

    def __init__(self, message: str, *, unreachable: bool = False) -> None:
        super().__init__(message)
        self.unreachable = unreachable


class OutcomeUnknown(ProviderError):
    """No answer came to a request that went out, so it may have been done, and paid. Not proof that it failed."""


class JobNotVisible(ProviderError):
    """The provider does not show a job that exists: a 404 just after create, or a key of another workspace."""


class ResultsNotWhole(ProviderError):
    """An ended batch was read, and rows that it counts did not come: not proof that they are missing; read it again.

    gone: the provider says that there are no such results (404, 410). paid: how many answers it counts that did not come,
    None where it does not count.
    """

    def __init__(self, message: str, *, gone: bool = False, paid: int | None = None) -> None:
        super().__init__(message)
        self.gone = gone
        self.paid = paid


class StartRefused(Exception):
    """`start` said no directly before a create request: no batch was created, and the caller must not create it any more."""


class PromptBlock(Struct, frozen=True, gc=False):
    """One block of the user message; cacheable: marked as the end of a cached prefix where the provider knows marks."""

    text: str
    cacheable: bool = False
    ttl: Literal["5m", "1h"] = "5m"


class Ask(Struct, frozen=True, gc=False):
    """One line as it is sent: the prompt of its comparisons, and the parameters of their call profile.

    `answers`: how many comparisons it holds; above 1 it is a bundle, answered under `domain.answer.bundle_keys(answers)`.
    `reasons_first`: the answer's schema has the justification before the winner, as no ask of the worker does.
    """

    custom_id: str
    model: str
    system: str
    blocks: tuple[PromptBlock, ...]
    max_tokens: int
    temperature: float | None = None
    reasoning_effort: str | None = None
    output_verbosity: str | None = None
    answers: int = 1
    reasons_first: bool = False


class JobPhase(StrEnum):
    """Where a batch stands, in words common to all providers."""

    RUNNING = "running"
    ENDED = "ended"  # completed, expired or cancelled: its rows can be read
    FAILED = "failed"  # after a successful create: at OpenAI refused at validation, and nothing paid; at Google see cost_known


class FailedBy(StrEnum):
    """What a failed validation is the fault of."""

    CONTENT = "content"  # it names a line of the job
    ACCOUNT = "account"  # as enqueued tokens
    PROVIDER = "provider"  # its own error, or one that says nothing of the content


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One look at a batch. ENDED only when its results are there, or have been waited for.

    cost_known: False for a batch that has ended without rows, or failed, where what it did until then may be paid and nobody
    says how much.
    """

    phase: JobPhase
    detail: str = ""  # the provider's own word, e.g. "finalizing"
    failure: str = ""  # when FAILED: the provider's error code, e.g. "token_limit_exceeded"
    failed_by: FailedBy = FailedBy.PROVIDER  # when FAILED
    answered: int = 0  # rows done so far where the provider tells (OpenAI, Google); 0 elsewhere
    cost_known: bool = True


@dataclass(frozen=True, slots=True)
class Candidate:
    """One batch of the account's list, which an unknown job may be.

    created_ms: by the provider's clock. total: its lines; 0 while OpenAI validates it. job_id: our job id, where the list shows
    it or `Provider.owner` has found it before; "" for a batch that is certainly none of ours; None where it is not known.
    """

    provider_job_id: str
    created_ms: int
    total: int
    ended: bool
    job_id: str | None


class Provider(Protocol):
    """One account at one provider. All methods raise ProviderError; SDK retries are off everywhere."""

    name: str

    @property
    def key_hash(self) -> str:
        """The first 12 hex digits of the key's sha256: "absent" may be concluded only with the key that claimed."""
        ...

    async def create(self, job_id: str, asks: Iterable[Ask], *, start: Callable[[], bool], timeout_s: float) -> str:
        """Submit a batch; return the provider's id of it.

        `asks` is walked once, a slice at a time with the event loop's turns between, and never held as a whole; it has one
        at least. What it raises is raised here, before anything is sent.
        `start` is called directly before the request that creates the batch, after any upload; when it says False nothing
        more is sent and StartRefused is raised. It is called again only before another such request, after an answer which
        says that the former certainly created nothing.
        """
        ...

    async def look(self, provider_job_id: str) -> JobStatus:
        """Poll a batch once."""
        ...

    def replies(self, provider_job_id: str) -> AsyncIterator[Reply]:
        """Read every result row of an ended batch, all files of it, in the order in which its asks were sent.

        The rows that came are given first. Then ResultsNotWhole is raised where the provider counts more rows, does not say how
        many there are, or a file ends within a line. The custom ids tell which rows came, the counts how many there must be.

        A provider gives rows in any order. They are sorted here, because comparisons that came in one request record then
        follow each other, and the record is decoded once. Unsorted, a job of 10,000 rows decoded records again for every few
        rows, and the event loop stood still for seconds.
        """
        ...

    async def call(self, ask: Ask, *, timeout_s: float) -> Reply:
        """Answer one ask by one synchronous call. A 400 comes back as an errored Reply, not as an exception.

        A parameter that the model does not take, as `Reply.parameter` names it, is left out of whatever is sent to it next.
        """
        ...

    def learn(self, model: str, reply: Reply) -> None:
        """Take note of `Reply.parameter` of a batch's row, as `call` does of its own reply: a row does not say its model."""
        ...

    async def cancel(self, provider_job_id: str) -> None:
        """Ask the provider to stop a batch; no error for one that has ended. What it answers by then can be read as usual."""
        ...

    async def candidates(self, claimed_ms: int) -> tuple[Candidate, ...]:
        """All batches of the account since before `claimed_ms`, newest first; raises when any page cannot be read.

        Where an empty list may be wrong (`ProviderRow.empty_list_lies`), the next older one follows them, if there is one.
        """
        ...

    async def owner(self, provider_job_id: str) -> str | None:
        """Our job id of a batch, or None: by metadata (OpenAI), its display name (Google), or a custom id of an ended one."""
        ...

    async def orphan_files(self, before_ms: int) -> tuple[str, ...]:
        """The ids of input files that were uploaded here before that time and belong to no batch; none where jobs need no file.

        `before_ms` must lie further back than an upload and a create take: a file whose batch is being created has none yet.
        """
        ...

    async def delete_file(self, file_id: str) -> None:
        """Delete a file; no error for one that is gone."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
