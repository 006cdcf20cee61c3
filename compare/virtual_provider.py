"""The provider in virtual time: the simulator's own judge, caches and limits, without HTTP."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from compare.case import Case
from compare.events import Events
from compare.limits import AccountSize
from compare.pace import Pace
from domain.reply import Reply
from providers.anthropic import wire as anthropic_wire
from providers.limits import headers
from providers.limits.charging import Kind
from providers.limits.headers import Seen
from providers.openai import wire as openai_wire
from providers.protocol import Ask
from providers.untaken import Untaken, takes_temperature
from simulator import anthropic_api, openai_api
from simulator.anthropic_requests import read_params
from simulator.completion import Completion
from simulator.latency import latency_s
from simulator.openai_requests import read_body
from simulator.prices import estimated_tokens
from simulator.prompts import Prompt
from simulator.settings import SimulatorSettings
from simulator.simulation import Simulation

_WORKSPACE = "default"
_OPENAI = Untaken(by_family=takes_temperature)


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that was let in: its reply, due after `takes_s` seconds, and the headers as they were when it was let in."""

    reply: Reply
    takes_s: float
    seen: dict[Kind, Seen]
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A call that was refused with 429."""

    retry_after_s: float
    seen: dict[Kind, Seen]


@dataclass(slots=True)
class Counted:
    """What the provider saw. tokens: what each call took of the limit of tokens, in the order in which they were let in."""

    http_operations: int = 0
    calls_429: int = 0
    tokens: list[float] = field(default_factory=list)
    calls_s: list[float] = field(default_factory=list)  # how long each of these calls took


class VirtualProvider:
    """One account of a case, with full buckets."""

    def __init__(self, case: Case, limits: AccountSize, pace: Pace, events: Events, *, judge_error_rate: float) -> None:
        self._provider, self._events = case.provider, events
        self._settings = SimulatorSettings(
            requests_per_minute=_whole(limits.requests),
            tokens_per_minute=_whole(limits.input_tokens),
            judge_error_rate=judge_error_rate,
            **pace.simulator(),
        )
        self._simulation = Simulation(self._settings, events)
        self._limiter = self._simulation.limits.of(case.provider, _WORKSPACE, case.model)
        self.counted = Counted()

    def close(self) -> None:
        """Close the simulator's ledger."""
        self._simulation.ledger.close()

    def call(self, ask: Ask) -> Answered | Refused:
        """What becomes of a call that arrives now."""
        now = self._events.now()
        prompt = self._prompt(ask)
        tokens = self._charge(prompt, now)
        self.counted.http_operations += 1
        wait_s = self._limiter.admit(tokens, now)
        if wait_s > 0:
            self.counted.calls_429 += 1
            return Refused(float(math.ceil(wait_s)), self._seen(now))
        self.counted.tokens.append(float(tokens))
        seen = self._seen(now)
        completion = self._simulation.model.complete(prompt, None, _WORKSPACE, now)
        takes_s = latency_s(self._settings, len(completion.comparisons), prompt.sha256)
        self.counted.calls_s.append(takes_s)
        return Answered(self._reply(ask, completion), takes_s, seen, completion.usage.output_tokens)

    def made(self, output_tokens: int) -> None:
        """Count the output of a call that is answered now against the limits."""
        self._limiter.answered(output_tokens, self._events.now())

    def rows(self, asks: Iterable[Ask]) -> list[Reply]:
        """The rows of a batch that ends now."""
        now = self._events.now()
        return [self._reply(ask, self._simulation.model.complete(self._prompt(ask), None, _WORKSPACE, now)) for ask in asks]

    def _prompt(self, ask: Ask) -> Prompt:
        if self._provider == "anthropic":
            return read_params(anthropic_wire.message_params(ask, lambda parameter, model: None))
        return read_body(openai_wire.completion_body(_OPENAI.fitted(ask)))

    def _charge(self, prompt: Prompt, now: float) -> int:
        if self._provider == "anthropic":
            return self._simulation.model.cache.uncached_tokens(_WORKSPACE, prompt, now)
        return max(prompt.max_tokens or 0, estimated_tokens(prompt.utf8_bytes))

    def _seen(self, now: float) -> dict[Kind, Seen]:
        shown = self._limiter.anthropic_headers if self._provider == "anthropic" else self._limiter.openai_headers
        return headers.read(shown(now), datetime.fromtimestamp(now, UTC))

    def _reply(self, ask: Ask, completion: Completion) -> Reply:
        if self._provider == "anthropic":
            return anthropic_wire.reply_of_message(
                ask.custom_id, anthropic_api.message("msg", ask.model, completion, "standard")
            )
        now = self._events.now()
        return openai_wire.reply_of_completion(ask.custom_id, openai_api.chat_completion("chat", ask.model, completion, now))


def _whole(limit: float) -> int | None:
    return int(limit) if math.isfinite(limit) else None
