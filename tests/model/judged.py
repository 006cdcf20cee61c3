"""A world whose provider is the simulator's judge: it reads the prompts, bundles too, and obeys what essays say to it."""

import itertools
import json
import uuid
from collections.abc import Mapping
from typing import Any

from domain.answer import bundle_keys
from domain.reply import Reply, ReplyKind, Usage
from providers.protocol import Ask
from simulator.comparisons import read_comparisons
from simulator.judge import Verdict
from simulator.judging import Judge
from simulator.traits import JudgeTraits
from streams.wire.request_events import round_event, single_event
from tests.model.provider import ModelProvider
from tests.model.world import CALLBACK, World

STATIC = "**Student Assignment:** Describe a place."


class JudgingProvider(ModelProvider):
    """Answers calls as a judge does. `lines`: for each call the pairs of essay IDs, A first."""

    def __init__(self, name: str, judge: Judge) -> None:
        super().__init__(name)
        self._judge = judge
        self.lines: list[list[tuple[str, str]]] = []

    async def call(self, ask: Ask, *, timeout_s: float) -> Reply:
        """Judge the pairs of one prompt."""
        keys = bundle_keys(ask.answers) if ask.answers > 1 else ()
        found = read_comparisons("".join(block.text for block in ask.blocks), keys)
        self.lines.append([(one.pair.a_id, one.pair.b_id) for one in found if one.pair is not None])
        said = {key: _answer(verdict) for key, verdict in self._judge.verdicts(found, 0.0).items()}
        text = json.dumps(said if keys else said[""])
        return Reply(ask.custom_id, ReplyKind.SUCCEEDED, model=ask.model, text=text, usage=Usage(100, 10))


def _answer(verdict: Verdict) -> dict[str, Any]:
    return {
        "winner": f"Essay {verdict.winner}",
        "justification": verdict.justification,
        "confidence": verdict.confidence,
    }


class JudgedWorld(World):
    """All pairs of some essays, asked in bundles of 8. `winners`: of each pair, A first, who won."""

    provider: JudgingProvider

    def __init__(self, texts: Mapping[str, str], **traits: float) -> None:
        super().__init__()
        self.texts = texts
        pairs = itertools.combinations(enumerate(texts), 2)
        self.pairs = [(a, b) if (i + j) % 2 else (b, a) for (i, a), (j, b) in pairs]  # each essay is A and B equally often
        self.provider = JudgingProvider(self.provider_name, Judge(5, JudgeTraits(judge_slope=6.0, **traits)))

    @classmethod
    def settings(cls, **fields: Any) -> Any:
        """As World's, with bundles."""
        return super().settings(**{"llm_batching_strategy": "serial_bundle", **fields})

    def ask(self, batch: str = "1", *, iteration: int = 0) -> None:
        """Send all pairs in one round record."""
        bodies = [self._pair_body(a, b, batch, iteration) for a, b in self.pairs]
        self.log.append(self.settings().request_topic, round_event(bodies))

    def ask_one(self, a: str, b: str, *, iteration: int, batch: str = "1") -> None:
        """Send one pair by itself, as a part of a round of several; so its window stays open for a while."""
        body = self._pair_body(a, b, batch, iteration)
        body["metadata"] |= {"preferred_bundle_size": 8}
        self.log.append(self.settings().request_topic, single_event(body))

    def _pair_body(self, a: str, b: str, batch: str, iteration: int) -> dict[str, Any]:
        name = f"{a} {b}"
        correlation_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{batch} {iteration} {name}"))
        self.names[correlation_id] = name
        blocks = [
            STATIC,
            f"**Essay A (ID: {a}):**\n{self.texts[a]}",
            f"**Essay B (ID: {b}):**\n{self.texts[b]}",
            "Pick the better essay.",
        ]
        return {
            "user_prompt": "\n\n".join(blocks),
            "prompt_blocks": [
                {"target": "user_content", "content": text, "cacheable": place in (0, 3), "ttl": "5m", "content_hash": None}
                for place, text in enumerate(blocks)
            ],
            "callback_topic": CALLBACK,
            "correlation_id": correlation_id,
            "metadata": {"essay_a_id": a, "essay_b_id": b, "cj_batch_id": batch, "comparison_iteration": iteration},
        }

    @property
    def winners(self) -> dict[str, str]:
        """By the names of the pairs."""
        return {name: self.result(name)["winner"] for name in self.events()}
