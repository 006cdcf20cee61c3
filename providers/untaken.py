"""The optional parameters that a model refuses: known by its family, or learnt from a refusal."""

import re
from collections.abc import Callable
from typing import Any, Final

import structlog
from msgspec.structs import replace

from domain.reply import Reply
from providers.http.failures import MOST_SAID, HttpFailure
from providers.protocol import Ask

log = structlog.get_logger(__name__)

# By the provider's name: the field of the ask.
OPENAI_FIELDS: Final = {
    "temperature": "temperature",
    "reasoning_effort": "reasoning_effort",
    "verbosity": "output_verbosity",
}
# In messages of the Gemini API: "Thinking level …", "thinking_config", "thinkingBudget".
GOOGLE_FIELDS: Final = {r"\bthinking": "reasoning_effort", r"\btemperature\b": "temperature"}
_FIELDS = tuple(OPENAI_FIELDS.values())
_WORDS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})  # of effort and verbosity
_CODES = frozenset({"unsupported_value", "unsupported_parameter", "unknown_parameter"})
_SAYS_SO = re.compile(r"unsupported|unrecognized|unknown|not support", re.IGNORECASE)
_QUOTED = re.compile(r"'([^']*)'")

_O_SERIES = re.compile(r"o\d+(?:-|$)")
_GPT = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?:-|$)")  # not gpt-4o, nor gpt-oss
# GPTs that do not reason unless told to, first and last: the effort that they have by default is "none".
_AT_REST: Final = ((5, 1), (5, 4))
_ALWAYS_REASON = re.compile(r"-(?:pro|codex)\b")


def takes_temperature(model: str, effort: str | None) -> bool:
    """False where an OpenAI model is known to refuse any temperature but 1: while it reasons.

    The o series and gpt-5 always do, gpt-5.5 and later ones by default, gpt-5.1 to 5.4 only when they are told to. Chat
    variants differ from one to the next, and of other names nothing is known: there a refusal is learnt from.
    """
    name = model.removeprefix("ft:").rpartition("/")[2]  # a gateway's name has the provider in front
    if _O_SERIES.match(name):
        return False
    gpt = _GPT.match(name)
    version = (int(gpt[1]), int(gpt[2] or 0)) if gpt else (0, 0)
    first, last = _AT_REST
    if version < (5, 0) or "-chat" in name:
        return True
    if version < first or _ALWAYS_REASON.search(name):
        return False
    return effort == "none" or (effort is None and version <= last)


def refused_field(failure: HttpFailure) -> str:
    """The field of the ask that a 400 of OpenAI's API says the model does not take; "" when it is about something else."""
    if failure.status not in (400, 422) or not (failure.code in _CODES or _SAYS_SO.search(failure.message)):
        return ""
    if failure.param:
        return OPENAI_FIELDS.get(failure.param.removeprefix("body."), "")
    return next((of for name, of in OPENAI_FIELDS.items() if re.search(rf"\b{name}\b", failure.message)), "")


def google_field(failure: HttpFailure) -> str:
    """The field of the ask that a 400 of the Gemini API says the model does not take; "" when it is about something else."""
    if failure.status != 400 or not (_SAYS_SO.search(failure.message) or "nvalid" in failure.message):
        return ""
    return next((of for name, of in GOOGLE_FIELDS.items() if re.search(name, failure.message, re.IGNORECASE)), "")


class Untaken:
    """Which parameters the models of one account refuse. What is learnt is kept in memory; a new process learns it again.

    `by_family(model, effort)` says whether a temperature may be sent; `on_dropped(parameter, model)` is called for each
    parameter that is left out of an ask.
    """

    def __init__(
        self,
        on_dropped: Callable[[str, str], None] = lambda parameter, model: None,
        by_family: Callable[[str, str | None], bool] = lambda model, effort: True,
    ) -> None:
        self._on_dropped, self._by_family = on_dropped, by_family
        self._refused: set[tuple[str, str, str | None]] = set()  # model, parameter, value; None: all of its values

    def fitted(self, ask: Ask) -> Ask:
        """The ask without what its model does not take."""
        dropped = [name for name in _FIELDS if not self._takes(ask, name, getattr(ask, name))]
        for name in dropped:
            self._on_dropped(name, ask.model)
        without: dict[str, Any] = dict.fromkeys(dropped)
        return replace(ask, **without) if dropped else ask

    def _takes(self, ask: Ask, name: str, value: float | str | None) -> bool:
        if value is None:
            return True
        if name == "temperature" and not self._by_family(ask.model, ask.reasoning_effort):
            return False
        return self._refused.isdisjoint({(ask.model, name, None), (ask.model, name, str(value))})

    def learn(self, model: str, reply: Reply) -> None:
        """Remember what a refused request of this model was refused for, if that is a parameter.

        A model may take one reasoning effort and refuse another. So where the refusal quotes a value, only the first value that
        it quotes counts as refused; where it quotes none, all values do.
        """
        if not reply.parameter:
            return
        quoted = (word for word in _QUOTED.findall(reply.error_message) if word in _WORDS)
        value = None if reply.parameter == "temperature" else next(quoted, None)
        learnt = (model, reply.parameter, value)
        if learnt not in self._refused:
            self._refused.add(learnt)
            log.warning(
                "parameter_not_taken",
                model=model,
                parameter=reply.parameter,
                value=value or "any",
                said=reply.error_message[:MOST_SAID],
            )
