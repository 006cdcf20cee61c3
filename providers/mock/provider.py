"""The provider mock: it makes answers up at once, the same for the same prompt, and says so in each of them."""

import asyncio
import hashlib
import json
from typing import Any

from domain.answer import bundle_keys
from domain.reply import Reply, ReplyKind, Usage
from providers.calls_only import CallsOnly
from providers.protocol import Ask

MARK = "mock"
JUSTIFICATION = "Made up by the provider mock: no model has read the essays."
_BYTES_PER_TOKEN = 4


class MockProvider(CallsOnly):
    """The `Provider` without a model. Nothing leaves the worker and nothing is paid."""

    name = "mock"

    @property
    def key_hash(self) -> str:
        """There is no key; a pause of the account is stored under this value."""
        return hashlib.sha256(MARK.encode()).hexdigest()[:12]

    async def call(self, ask: Ask, *, timeout_s: float) -> Reply:
        """Make an answer up, by the hash of the prompt; in a bundle by the comparison's key as well."""
        await asyncio.sleep(0)  # let other tasks have their turn, as a real call does
        prompt = "\n\n".join((ask.system, *(block.text for block in ask.blocks))).encode("utf-8", "surrogatepass")
        answer: dict[str, Any] = (
            _answer(prompt, "") if ask.answers == 1 else {key: _answer(prompt, key) for key in bundle_keys(ask.answers)}
        )
        answered = json.dumps(answer)
        return Reply(
            custom_id=ask.custom_id,
            kind=ReplyKind.SUCCEEDED,
            model=ask.model if MARK in ask.model else f"{MARK}-{ask.model}",
            text=answered,
            http_status=200,
            usage=Usage(_tokens(len(prompt)), _tokens(len(answered))),
        )

    def learn(self, model: str, reply: Reply) -> None:
        """Nothing to learn: every parameter is taken."""

    async def close(self) -> None:
        """Nothing to close."""


def _answer(prompt: bytes, key: str) -> dict[str, Any]:
    drawn = hashlib.sha256(key.encode() + b"\n" + prompt).digest()
    return {
        "winner": f"Essay {'AB'[drawn[0] & 1]}",
        "justification": JUSTIFICATION,
        "confidence": 1 + drawn[1] % 41 / 10,  # 1.0 to 5.0
    }


def _tokens(size: int) -> int:
    return -(-size // _BYTES_PER_TOKEN)
