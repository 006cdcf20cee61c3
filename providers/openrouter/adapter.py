"""One account at OpenRouter: single chat completions through OpenAI's SDK, each passed on to one named provider."""

from typing import Any

import openai
from msgspec.structs import replace

from domain.reply import Reply, ReplyKind
from providers.calls_only import CallsOnly
from providers.http.failures import HttpFailure, Sdk, retry_after_s
from providers.http.fields import mapping
from providers.openai.adapter import OpenAIProvider
from providers.openrouter import wire
from providers.protocol import Ask


def _failure(error: openai.APIStatusError) -> HttpFailure:
    body = mapping(error.body)
    return wire.failure_of(mapping(body.get("error")) or body, error.status_code, retry_after_s(error.response.headers))


class OpenRouterProvider(CallsOnly, OpenAIProvider):
    """The `Provider` of one OpenRouter account.

    upstream: the slug of the one provider that may answer; "" for the author in the model's name. The other arguments are
    those of `providers.adapter.Adapter`.
    """

    name = "openrouter"
    default_base_url = "https://openrouter.ai/api/v1"
    sdk = Sdk(openai.APIStatusError, _failure, (openai.APIConnectionError,), (openai.OpenAIError,), wire.refusal)
    wire = wire

    def __init__(self, api_key: str, *, upstream: str = "", **common: Any) -> None:
        self._upstream = upstream
        super().__init__(api_key, **common)

    @staticmethod
    def _takes_temperature(model: str, effort: str | None) -> bool:
        return wire.takes_temperature(model, effort)

    def _body(self, ask: Ask) -> dict[str, Any]:
        return wire.completion_body(ask, self._upstream)

    def _reply(self, ask: Ask, completion: dict[str, Any]) -> Reply:
        return wire.reply_of_completion(ask.custom_id, completion)

    async def call(self, ask: Ask, *, timeout_s: float) -> Reply:
        """Answer one ask by one request.

        Where the provider behind OpenRouter does not take all parameters, OpenRouter asks nobody, and does not say which
        parameter is to blame. Then the optional ones are left out, one more with each attempt.
        """
        reply = await super().call(ask, timeout_s=timeout_s)
        if reply.kind is not ReplyKind.ERRORED or reply.parameter or not wire.is_about_parameters(reply):
            return reply
        sent = self._untaken.fitted(ask)
        cause = next((name for name in wire.OPTIONAL if getattr(sent, name) is not None), "")
        reply = replace(reply, parameter=cause)
        self.learn(ask.model, reply)
        return reply
