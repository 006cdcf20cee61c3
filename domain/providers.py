"""The providers. Each is one row of a table: which API it speaks, where its prices are and what it is able to do.

The names are those that a request may name and a result event may show; the consumer's enum allows no others. What a row says
is a fact about the provider's API; docs/providers.md has them all. What an operator sets (keys, base URLs, limits, own prices)
is in `settings/provider.py`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

Line = TypeVar("Line", bound=Sequence[object])


class Adapter(StrEnum):
    """The package of `providers/` that speaks the API."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    OPENROUTER = "openrouter"
    GOOGLE = "google"
    MOCK = "mock"


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """One row.

    price_list: the provider's name in genai-prices; None where nothing has a price.
    bytes_per_token: UTF-8 bytes of text that make at least one token, for upper estimates.
    batches: whether batch jobs are sent to it. cache_marks: whether blocks of a prompt may be marked for its cache.
    queue_by_model: whether each model has a batch queue of its own, or all models of an account share one.
    thought_tokens: the most that the thoughts of one comparison may take, where they are paid beside what max_tokens allows.
    one_schema_a_job: whether all lines of a batch must have the same answer schema, so the same number of comparisons.
    empty_list_lies: whether its list of batches has been seen empty although there were some. A list that does not show an
    older batch is then no proof, by itself, that the one looked for is absent.
    substitutes: whether another model than the one that was asked may answer; then an event names the one that answered.
    takes_substitutes: whether that model's answer counts; otherwise the comparison ends in an error, though it was paid.
    needs_key: whether an account needs a key; mock answers without one, where a setting allows it.
    refused_models: a pattern of names that do not stand for one certain model, and are never asked. It must match the whole
    name. refused_because: what is wrong with such a name, for the error.
    """

    name: str
    adapter: Adapter
    price_list: str | None
    bytes_per_token: float
    batches: bool = True
    cache_marks: bool = False
    queue_by_model: bool = False
    thought_tokens: int = 0
    one_schema_a_job: bool = False
    empty_list_lies: bool = False
    substitutes: bool = False
    takes_substitutes: bool = True
    needs_key: bool = True
    refused_models: str = ""
    refused_because: str = ""

    def refusal_of(self, model: str) -> str:
        """Why a model of that name is never asked; "" where nothing is known against it.

        Case and white space around the name are passed over, for a provider may do so too.
        """
        refused = self.refused_models and re.fullmatch(self.refused_models, model.strip(), re.IGNORECASE)
        return self.refused_because if refused else ""


PROVIDERS = {
    row.name: row
    for row in (
        ProviderRow("anthropic", Adapter.ANTHROPIC, "anthropic", 2.5, cache_marks=True),
        ProviderRow("openai", Adapter.OPENAI, "openai", 3.0, queue_by_model=True),
        ProviderRow(
            "google",
            Adapter.GOOGLE,
            "google",
            2.5,
            queue_by_model=True,
            thought_tokens=4_096,  # the room that providers/google/thinking.py gives, unless "high" is asked for
            one_schema_a_job=True,
            empty_list_lies=True,
            substitutes=True,
            # It answers for models that it has retired with others, at their price, and says so nowhere but in the answer: an
            # assignment whose verdicts come from two models is to fail where somebody sees it. Asked again, it would be paid
            # again and be no other.
            takes_substitutes=False,
            refused_models=r"(models/)?(gemini-2\.5-(pro|flash)|.*-latest)",
            refused_because="Google answers under this name with a model of its own choice: name a model",
        ),
        ProviderRow(
            "openrouter",
            Adapter.OPENROUTER,
            "openrouter",
            2.5,
            batches=False,
            substitutes=True,
            refused_models=r"openrouter/.*|~.*|@.*|.*-latest|.*:.*|[^/]*|/.*",
            refused_because="it may be answered by any model or at another price: name one as author/model, without a suffix",
        ),
        ProviderRow("mock", Adapter.MOCK, None, 2.5, batches=False, substitutes=True, needs_key=False),
    )
}


def by_schema(provider: str, lines: Iterable[Line]) -> tuple[tuple[Line, ...], ...]:
    """The lines in groups that may each go in one batch of the provider; the order within a group stays.

    That is one group, but where a batch has one answer schema a group for each number of comparisons in a line, large ones
    first.
    """
    if not PROVIDERS[provider].one_schema_a_job:
        return (tuple(lines),)
    groups: dict[int, list[Line]] = {}
    for line in lines:
        groups.setdefault(len(line), []).append(line)
    return tuple(tuple(groups[size]) for size in sorted(groups, reverse=True))
