"""Which lines of the libraries' logs say something new, and how often the others were repeated.

With one broker of three away for a minute aiokafka logs 340 lines that say five things, with two away 200 a second. So the
first line of each kind is logged. Those like it are counted, and logged as one line when no more come, or when they go on for
long. Nothing is dropped unseen: a line in other words is of another kind, and where a kind has several texts the summary names
them.
"""

import errno
import re
from dataclasses import dataclass, field

QUIET_S = 15.0  # a kind has ended when nothing of it has come for this long; longer than aiokafka waits between two tries
STILL_S = 600.0  # how often a kind that goes on is logged again
TEXTS = 5  # how many texts of a kind that differ from its first one are kept

_NO_CONNECTION = "|".join(
    str(number)
    for number in (
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EPIPE,
        errno.ETIMEDOUT,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
    )
)
# A connection that is refused, closed or not answered: one kind, which each client and each attempt words differently. What is
# wrong with a certificate, with a password or with this process is of other kinds.
_UNREACHABLE = re.compile(
    rf"""
    (?! .*(?: SSL | [Cc]ertificate | [Aa]uth ))
    (?: (?:Unable\ connect\ to | Unable\ to\ request\ metadata\ from)\ node\ with\ id\ (?P<connect>\d+):
        (?: .*\[Errno\ (?:{_NO_CONNECTION})\] | .*KafkaConnectionError | .*NodeNotReadyError | .*TimedOutError | \ $ )
      | Failed\ fetch\ (?:messages|offsets)\ from\ (?P<fetch>\d+):\ (?:KafkaConnectionError | NodeNotReadyError)
      | .*NodeNotReadyError:\ .*\(node\ id\ (?P<request>\d+)\)
    )
    """,
    re.VERBOSE | re.DOTALL,
)
# Parts of a line that differ though it is of the same kind: the partition it is about, and what was measured.
_VARYING = (
    (re.compile(r"TopicPartition\(topic='[^']*', partition=\d+\)"), "TopicPartition"),
    (re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])"), "#"),
    (re.compile(r"\[\d+(?:, \d+)+\]"), lambda match: str(sorted(match.group()[1:-1].split(", ")))),
)
Kind = tuple[str, str]


def kind_of(logger: str, text: str) -> Kind:
    """What a line is about; of a kind only the first line is logged."""
    away = _UNREACHABLE.match(text) if logger.startswith("aiokafka") else None
    if away is not None:
        return ("aiokafka", f"broker {away['connect'] or away['fetch'] or away['request']} cannot be reached")
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    return (logger, text)


@dataclass(slots=True)
class Repeated:
    """Lines of one kind that were counted instead of logged."""

    logger: str
    level: int
    message: str  # the first one, which was logged
    first_s: float
    last_s: float
    told_s: float
    left_out: int = 0
    texts: dict[str, int] = field(default_factory=dict)  # those that differ, with how often; as many as TEXTS
    ended: bool = False


class Repeats:
    """The kinds of which lines keep coming. Not safe for threads: its owner holds a lock."""

    def __init__(self) -> None:
        self._kinds: dict[Kind, Repeated] = {}

    def is_new(self, logger: str, level: int, text: str, now_s: float) -> bool:
        """Whether a line is to be logged: the first of its kind, or one of a graver level. Any other is counted."""
        kind = kind_of(logger, text)
        seen = self._kinds.get(kind)
        if seen is None or level > seen.level:
            left_out, texts = (seen.left_out, seen.texts) if seen else (0, {})
            first_s = seen.first_s if seen else now_s
            self._kinds[kind] = Repeated(logger, level, text, first_s, now_s, now_s, left_out, texts)
            return True
        seen.last_s = now_s
        seen.left_out += 1
        if text != seen.message and (text in seen.texts or len(seen.texts) < TEXTS):
            seen.texts[text] = seen.texts.get(text, 0) + 1
        return False

    def due(self, now_s: float, *, all_of_them: bool = False) -> list[Repeated]:
        """What is to be logged now: kinds that have ended and had lines left out, and those that go on for long."""
        found = []
        for kind, seen in list(self._kinds.items()):
            seen.ended = all_of_them or now_s - seen.last_s >= QUIET_S
            if seen.ended:
                del self._kinds[kind]
            elif now_s - seen.told_s < STILL_S:
                continue
            seen.told_s = now_s
            if seen.left_out:
                found.append(seen)
        return found

    def __len__(self) -> int:
        return len(self._kinds)
