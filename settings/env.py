"""Reads settings from environment variables: which variable fills which field, and one line for what is unusable."""

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource

from settings import PREFIX, former
from settings.kafka import KafkaSettings

#: Settings that also go by a name that other tools use already; if both are set, the prefixed name wins.
BARE_NAMES = {
    **{name.upper(): f"{PREFIX}{name.upper()}" for name in KafkaSettings.model_fields},
    "KAFKA_GROUP_INSTANCE_ID": "ROUNDBATCH_KAFKA_GROUP_INSTANCE_ID",
    "ANTHROPIC_API_KEY": "ROUNDBATCH_ANTHROPIC__API_KEY",
    "ANTHROPIC_BASE_URL": "ROUNDBATCH_ANTHROPIC__BASE_URL",
    "OPENAI_API_KEY": "ROUNDBATCH_OPENAI__API_KEY",
    "OPENAI_BASE_URL": "ROUNDBATCH_OPENAI__BASE_URL",
    "GOOGLE_API_KEY": "ROUNDBATCH_GOOGLE__API_KEY",
    "OPENROUTER_API_KEY": "ROUNDBATCH_OPENROUTER__API_KEY",
}
#: Variables with our prefix that are no settings, but for tests.
TEST_NAMES = frozenset({"ROUNDBATCH_CRASH_AT", "ROUNDBATCH_STOP_AT", "ROUNDBATCH_TEST_KAFKA", "ROUNDBATCH_LIVE"})
_NO_FIELDS = TEST_NAMES | former.RENAMED.keys() | former.FIXED.keys()

S = TypeVar("S", bound=BaseSettings)

#: A secret's name with this ending names the file that holds the secret, as Docker and Kubernetes hand secrets over.
FILE = "_FILE"
_SHOWN_LENGTH = 80


class UnusableSettings(Exception):
    """The environment holds no usable settings; the message is one line without secrets."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting: the variable's name, its field, the value in use and the variable it came from (None: default)."""

    variable: str
    field: FieldInfo
    value: object
    source: str | None

    @property
    def secret(self) -> bool:
        """Whether the value must not be shown."""
        return is_secret(self.field)


def is_secret(field: FieldInfo) -> bool:
    """Whether the field's value must not be shown."""
    return "SecretStr" in repr(field.annotation)


def fields(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Yield every leaf field with its path, nested models in place."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, (*path, name))
        else:
            yield (*path, name), field


def variable_of(path: tuple[str, ...]) -> str:
    """The environment variable of a field path."""
    return PREFIX + "__".join(path).upper()


def entries(settings: BaseSettings, env: Mapping[str, str] | None = None) -> list[Entry]:
    """Every setting in use, in the model's order, with where its value came from."""
    sources = _sources(type(settings), os.environ if env is None else env)
    found = []
    for path, field in fields(type(settings)):
        value: Any = settings
        for name in path:
            value = getattr(value, name)
        found.append(Entry(variable_of(path), field, value, sources.get(variable_of(path))))
    return found


def read(model: type[S], env: Mapping[str, str] | None = None) -> S:
    """Build the model from environment variables; UnusableSettings where they do not fit it."""
    given = os.environ if env is None else env
    known = {variable_of(path): field for path, field in fields(model)}
    files = {f"{name}{FILE}" for name, field in known.items() if is_secret(field)}
    for name in given:
        if name.upper().startswith(PREFIX) and name not in known and name not in _NO_FIELDS and name not in files:
            raise UnusableSettings(former.refusal(name) or _unknown(name, [*known, *files]))
    sources = _sources(model, given)
    source = EnvSettingsSource(model)
    source.env_vars = {name.lower(): _value(given, name, origin) for name, origin in sources.items() if name in known}
    try:
        return model(**source())
    except ValidationError as error:
        # Not chained: pydantic's own text goes over many lines.
        raise UnusableSettings("; ".join(_lines(error, given, sources, known))) from None


def kafka_variables(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that say where Kafka is and how to get in, for a process that is to get no other variables."""
    names = {name for field in KafkaSettings.model_fields for name in (field.upper(), f"{PREFIX}{field.upper()}")}
    return {name: value for name, value in env.items() if name in names or name.removesuffix(FILE) in names}


def _sources(model: type[BaseModel], env: Mapping[str, str]) -> dict[str, str]:
    """Prefixed name → name of the variable that gives its value, or the file with its value.

    Empty variables count as not set, for compose files pass unset ones as empty. Errors: UnusableSettings for a secret that is
    given twice, and for two former names of one setting with different values.
    """
    given = {name for name, value in env.items() if value.strip()}
    bare = {name: origin for origin, name in BARE_NAMES.items() if origin in given}
    renamed: dict[str, str] = {}
    for origin, name in former.RENAMED.items():
        if origin in given:
            other = renamed.setdefault(name, origin)
            if env[other].strip() != env[origin].strip() and name not in given:
                raise UnusableSettings(
                    f"{other}={env[other]!r} and {origin}={env[origin]!r} are one setting now, {name}: set that one instead"
                )
    found = bare | renamed | {name: name for name in given if name.startswith(PREFIX)}
    unprefixed = {name: origin for origin, name in BARE_NAMES.items()}
    for path, field in fields(model):
        name = variable_of(path)
        names = (f"{origin}{FILE}" for origin in (name, unprefixed.get(name)) if origin is not None)
        file = next((one for one in names if one in given), None) if is_secret(field) else None
        if file is not None:
            if name in found:
                raise UnusableSettings(f"{found[name]} and {file} are both set: unset one of them")
            found[name] = file
    return found


def _value(env: Mapping[str, str], name: str, origin: str) -> str:
    """The variable's value, or the text of the file that it names; no refusal ever shows that text."""
    if not _is_file(name, origin):
        return env[origin]
    path = env[origin].strip()
    try:
        text = Path(path).read_text(encoding="utf-8").rstrip("\r\n")  # editors and `echo` end a file with a line end
    except OSError as error:
        raise UnusableSettings(f"{origin}={path!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnusableSettings(f"{origin}={path!r} cannot be read: it holds no UTF-8 text") from None
    if not text:
        raise UnusableSettings(f"{origin}={path!r} is empty")
    return text


def _is_file(name: str, origin: str) -> bool:
    return origin.endswith(FILE) and origin.removesuffix(FILE) in (
        name,
        *(bare for bare, prefixed in BARE_NAMES.items() if prefixed == name),
    )


def _unknown(name: str, known: list[str]) -> str:
    # Compared without the prefix, which would make all of them alike.
    tails = {full.removeprefix(PREFIX): full for full in known}
    tail = name.upper().removeprefix(PREFIX)
    near = difflib.get_close_matches(tail, tails, n=1, cutoff=0.7) or [full for full in tails if full.endswith(f"_{tail}")]
    hint = f"did you mean {tails[near[0]]}?" if near else "docs/configuration.md lists all names"
    return f"{name} is no setting of roundbatch: {hint}"


def _lines(
    error: ValidationError, env: Mapping[str, str], sources: Mapping[str, str], known: Mapping[str, FieldInfo]
) -> Iterator[str]:
    for detail in error.errors(include_url=False, include_input=False):
        path = tuple(part for part in detail["loc"] if isinstance(part, str))
        message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be").replace("\n", " ")
        name = variable_of(path)
        if name in sources:
            text = env[sources[name]]
            shown = (
                "(a secret)"
                if is_secret(known[name]) and not _is_file(name, sources[name])
                else repr(text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…")
            )
            yield f"{sources[name]}={shown}: {message}"
        elif path:
            # A check across the fields of one provider, whose message begins with the field.
            yield f"{name}__{message}"
        else:
            yield message


def masked(value: object) -> str:
    """A secret as it may be shown: that it is set, and its last four characters if enough others stay hidden."""
    if not isinstance(value, SecretStr):
        return "not set"
    text = value.get_secret_value()
    return f"set (…{text[-4:]})" if len(text) >= 16 else "set"


__all__ = [
    "BARE_NAMES",
    "FILE",
    "PREFIX",
    "TEST_NAMES",
    "Entry",
    "UnusableSettings",
    "entries",
    "fields",
    "is_secret",
    "kafka_variables",
    "masked",
    "read",
    "variable_of",
]
