"""What settings resolve for a request: provider, model, strategy, call profile, deadline; and why it cannot be accepted."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

from msgspec import UNSET, UnsetType

from agents.planning.essays import EssayLooks
from domain import rounds, strategies
from domain.arriving import Candidate
from domain.comparison import CallProfile, Member
from domain.providers import PROVIDERS
from domain.reply import ErrorCode, Fault
from domain.rounds import ALONE, SUSPECTS_OF_B, Arrival, Standing
from domain.strategies import Strategy
from providers.prompts.layouts import Essay, pair_of
from providers.prompts.sources import PromptSource, SourceBlock
from settings import variable
from settings.settings import Settings
from streams.wire.requests import InboundMember, InboundRecord

_KEPT_TERMS = 1_024  # models are named by requests, so what is kept must have a bound
_KEPT_PROFILES = 256


def call_profile(member: InboundMember, provider: str, model: str, settings: Settings) -> CallProfile:
    """The call profile of a valid member, for a provider and model resolved before."""
    body = member.body
    if body is None:
        raise ValueError(f"position {member.position} has no valid body: {member.problem}")
    overrides = body.llm_config_overrides
    return CallProfile(
        provider=provider,
        model=model,
        callback_topic=body.callback_topic,
        system_prompt=overrides.system_prompt_override or settings.default_system_prompt,
        temperature=overrides.temperature_override,
        max_tokens=overrides.max_tokens_override,
        reasoning_effort=overrides.reasoning_effort,
        output_verbosity=overrides.output_verbosity,
    )


def prompt_source(inbound: InboundMember) -> PromptSource:
    """The prompt of one comparison as it came."""
    body = inbound.body
    blocks = body.prompt_blocks if body is not None else None
    return PromptSource(
        body.user_prompt if body is not None else "",
        None if blocks is None else tuple(SourceBlock(block.content, block.cacheable, block.ttl) for block in blocks),
    )


@dataclass(frozen=True, slots=True)
class _Terms:
    """What settings make of a request's wishes."""

    provider: str
    model: str
    strategy: Strategy
    fault: Fault | None
    bundled: bool  # whether its lines may hold several
    wait_ms: int


class _Looked(NamedTuple):
    """What is seen of a comparison's two essays, as an Arrival keeps it."""

    essays: tuple[int, int] | None = None
    pair: tuple[int, int] | UnsetType = UNSET
    suspects: int | UnsetType = UNSET


_NOTHING_SEEN = _Looked()


class Resolver:
    """Resolves requests by the settings of a start. Requests wish for few different things, so what comes of them is kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._looks, self._looks_for_suspects = EssayLooks(), settings.suspects != "off"
        self._terms = lru_cache(maxsize=_KEPT_TERMS)(self._found_terms)

    def candidate(self, record: InboundRecord, member: InboundMember, offset: int, append_ms: int) -> Candidate:
        """One position as domain.arriving takes it; the member must have a correlation id and an allowed callback topic."""
        body, metadata = member.body, member.metadata
        overrides = body.llm_config_overrides if body else None
        asked = overrides.provider_override if overrides is not None else _readable_provider(member)
        mode = metadata.get("cj_llm_batching_mode")
        terms = self._terms(asked, overrides.model_override if overrides else None, mode if isinstance(mode, str) else None)
        fault = terms.fault if body is not None else Fault(ErrorCode.VALIDATION_ERROR, member.problem)
        accepted = fault is None
        seen = self._look(member, bundled=terms.bundled) if accepted else _NOTHING_SEEN
        is_alone = seen.suspects is not UNSET and terms.bundled and self._settings.suspects == "alone"
        arrival = Arrival(
            position=member.position,
            correlation_id=str(member.correlation_id),
            content_sha256=member.content_sha256,
            standing=Standing.ACCEPTED if accepted else Standing.REJECTED,
            provider=terms.provider,
            model=terms.model,
            strategy=terms.strategy.name,
            profile=_digest(call_profile(member, terms.provider, terms.model, self._settings)) if accepted else "",
            prompt_bytes=len(body.user_prompt.encode()) if body else 0,
            deadline_ms=append_ms + terms.wait_ms,
            bundle_hint=ALONE if is_alone else rounds.bundle_hint(metadata),
            paying_batch=rounds.paying_batch(metadata),
            max_tokens=(overrides.max_tokens_override or 0) if overrides is not None else 0,
            essays=seen.essays,
            fault=fault,
            pair=seen.pair,
            suspects=seen.suspects,
        )
        # A round record says by its parts when the round is complete; a single request announces its round's size by its hint.
        announced = rounds.announced_size(metadata) if record.parts is None else None
        return Candidate(rounds.round_key(metadata, Member(offset, member.position)), announced, arrival)

    def _look(self, member: InboundMember, *, bundled: bool) -> _Looked:
        blocks = member.body.prompt_blocks if member.body is not None else None
        pair = pair_of(blocks) if blocks is not None else None
        if pair is None:
            return _NOTHING_SEEN
        (a, b), looks = pair, self._looks
        suspects = looks.rules(a.text) | looks.rules(b.text) << SUSPECTS_OF_B if self._looks_for_suspects else 0
        hashes = (looks.hash(a), looks.hash(b)) if bundled else None
        return _Looked(hashes, (_id_hash(a), _id_hash(b)), suspects or UNSET)

    def _found_terms(self, asked: str | None, asked_model: str | None, mode: str | None) -> _Terms:
        settings = self._settings
        provider = (asked or settings.default_provider).lower()
        shown = provider if provider in PROVIDERS else settings.default_provider
        block = settings.provider(shown)
        model = asked_model or block.model
        strategy = strategies.choose(
            settings.strategy_for(shown), mode, honor_request_mode=settings.honor_request_mode, batches=block.takes_batches
        )
        fault = _fault(provider, model, settings)
        bundled = fault is None and strategy.line_size(block.bundle_size, block.batch_bundle_size) > 1
        return _Terms(shown, model, strategy, fault, bundled, int(settings.longest_wait_of(strategy.name) * 1000))


def _id_hash(essay: Essay) -> int:
    return crc32(essay.id.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=_KEPT_PROFILES)
def _digest(profile: CallProfile) -> str:
    return profile.digest()


def _fault(provider: str, model: str, settings: Settings) -> Fault | None:
    if provider not in PROVIDERS:
        known = ", ".join(PROVIDERS)
        return Fault(ErrorCode.CONFIGURATION_ERROR, f"provider {provider[:80]!r} is not one of {known}: send one of these")
    if provider not in settings.configured_providers:
        return Fault(ErrorCode.CONFIGURATION_ERROR, _not_open(provider))
    if refusal := PROVIDERS[provider].refusal_of(model):
        return Fault(ErrorCode.CONFIGURATION_ERROR, f"model {model[:80]!r} at {provider}: {refusal}")
    return None


def _not_open(provider: str) -> str:
    if PROVIDERS[provider].needs_key:
        return f"provider {provider!r} has no key in this worker: set {provider.upper()}_API_KEY"
    return f"provider {provider!r} makes answers up: set {variable(provider)}__ENABLED=true where no grade depends on it"


def _readable_provider(member: InboundMember) -> str | None:
    """The provider that an invalid body asks for, as far as it can be read: its error event must not name another."""
    raw = member.raw if isinstance(member.raw, dict) else {}
    overrides = raw.get("llm_config_overrides")
    asked = overrides.get("provider_override") if isinstance(overrides, dict) else None
    return asked if isinstance(asked, str) and asked.lower() in PROVIDERS else None
