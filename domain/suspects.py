"""Essays that speak to the judge: rules that find texts meant for whoever judges rather than for a reader.

A suspect is never refused and never changed; it is a reason to ask its comparisons alone, where it has no neighbours to steer.
The rules are for Swedish and English. They see the wording and not the intention, so an essay that quotes an attack is found
as one, and a text in another language or in other words is not found. No rule finds that a text has had its way: an essay that
only lifts itself looks like a good one.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from domain.suspect_places import of_orders, of_overriding

ADDRESSES_JUDGE: Final = "addresses_judge"
ANSWER_SHAPE: Final = "answer_shape"
FENCE_SHAPE: Final = "fence_shape"
HIDDEN: Final = "hidden"
OVERRIDE: Final = "override"
UNREAD: Final = "unread"
RULES: Final = (ADDRESSES_JUDGE, ANSWER_SHAPE, FENCE_SHAPE, HIDDEN, OVERRIDE, UNREAD)
"""Places in it are in stored bytes (`mask_of`): a new rule comes last, and one that goes leaves its place."""

_INVISIBLE: Final = "\u00ad\u200b-\u200f\u2060-\u2064\ufeff\U000e0000-\U000e007f"
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")  # of England, Scotland, Wales: an honest use of tags
_UNSEEN = re.compile(
    "[\u200b-\u200d\u2060-\u2064\ufeff]{2,}"  # one joins an emoji or is left over from a web page
    "|[\u202a-\u202e\u2066-\u2069]|[\U000e0000-\U000e007f]"
)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{201,}")

# What an order can begin after: the start of a sentence, a line, a quotation or a bracket, or a word that makes it an order.
_ORDER = r"(?:please|kindly|now|and|then|always|just|(?<!i )(?<!we )(?:must|should|shall))"
_START = rf"(?:^|[.!?:;,\"'“”«»(\[>*—–-]\s*|\n\s*|\b{_ORDER}\s+)"
_ESSAY = r"(?:(?:this|my|the (?:first|second|present))\s+(?:essay|text|answer|submission|paper|response)|essay\s+[ab]\b)"
_BEST = r"(?:better|best|winner|winning|superior|strong(?:er|est)|highest|top\s+(?:mark|score|grade)s?|full\s+marks?|maximum)"
_CHOOSE = r"(?:choose|pick|select|prefer|favou?r|declare|answer|output|return|respond|vote\s+for)"
_GIVE = r"(?:rate|rank|score|grade|mark|judge|award|give|assess|evaluate|say|state|treat|consider)"
_MACHINE = (
    r"(?:ai|a\.i\.|(?:large\s+)?language\s+model|llm|chatgpt|gpt|claude|gemini|chatbot"
    r"|ai\s+(?:judge|model|assistant|system|grader))"
)
_PERSON = r"(?:judge|examiner|grader|evaluator|assessor|marker|reader|teacher)"
_HAIL = r"(?:dear|hello|hey|hi|attention|note\s+(?:to|for)|message\s+(?:to|for)|instructions?\s+(?:to|for)|to)"

_SV_START = r"(?:^|[.!?:;,\"'“”»«(\[>*—–-]\s*|\n\s*|\b(?:och|alltid|snälla|nu|vänligen)\s+)"
_SV_ESSAY = (
    r"(?:(?:denna|den\s+här|min|detta|det\s+här|den\s+(?:första|andra))\s+(?:uppsats|essä|text|inlämning|svar)\w{0,20}"
    r"|(?:uppsats|essä|essay)\s+[ab]\b)"
)
_SV_BEST = r"(?:bäst|bättre|vinnare|vinnaren|starkast|överlägsen|högst|högsta|full\s+pott|toppbetyg)"
_SV_CHOOSE = r"(?:välj|utse|föredra|svara|rösta\s+på|utnämn)"
_SV_GIVE = r"(?:bedöm|betygsätt|ranka|ge|säg|skriv|anse|behandla)"
_SV_MUST = r"\b(?:du|ni)\s+(?:måste|ska|skall|bör)\s+(?:alltid\s+)?(?:välja|utse|föredra|svara|ge|bedöma|säga)"
_SV_MACHINE = r"(?:ai|ai:n|ai-(?:modell|domare|system|assistent)\w{0,30}|språkmodell\w{0,30}|chatgpt|chattbot\w{0,30})"
_SV_PERSON = r"(?:domare|bedömare|examinator|rättare|lärare)n?"
_SV_HAIL = r"(?:kära|hej|bästa|till|meddelande\s+till|instruktion(?:er)?\s+till|obs)"

_NEAR = r"[^.!?\n]{0,60}?"
_IN_HAIL = r"[^\n]{0,100}?"
_WORDED: Final[dict[str, tuple[str, ...]]] = {
    ADDRESSES_JUDGE: (
        rf"{_START}{_CHOOSE}\b{_NEAR}\b{_ESSAY}",
        rf"{_START}{_GIVE}\b{_NEAR}\b{_ESSAY}{_NEAR}\b{_BEST}\b",
        rf"(?:^|[.!?\n\"“(\[])\s*(?:{_HAIL}\s+(?:the\s+|any\s+|all\s+)?)?{_MACHINE}s?\s*[:,!]{_IN_HAIL}\b(?:{_CHOOSE}|{_GIVE})\b{_IN_HAIL}\b(?:{_ESSAY}|{_BEST})",
        rf"(?:^|[.!?\n\"“(\[])\s*(?:{_HAIL}\s+(?:the\s+|any\s+|all\s+)?)?{_PERSON}s?\s*[:,!]{_IN_HAIL}\b(?:{_CHOOSE}|{_GIVE})\b{_IN_HAIL}\b{_ESSAY}",
        rf"\bif\s+you\s+are\s+(?:an?\s+)?{_MACHINE}\b{_IN_HAIL}\b(?:{_CHOOSE}|{_GIVE})\b",
        rf"{_SV_START}{_SV_CHOOSE}\b{_NEAR}\b{_SV_ESSAY}",
        rf"{_SV_START}{_SV_GIVE}\b{_NEAR}\b{_SV_ESSAY}{_NEAR}\b{_SV_BEST}\b",
        rf"{_SV_MUST}\b{_NEAR}\b{_SV_ESSAY}",
        rf"(?:^|[.!?\n\"“(\[])\s*(?:{_SV_HAIL}\s+)?(?:{_SV_MACHINE}|{_SV_PERSON})\s*[:,!]{_IN_HAIL}\b(?:{_SV_CHOOSE}|{_SV_GIVE})\b{_IN_HAIL}\b{_SV_ESSAY}",
    ),
    ANSWER_SHAPE: (
        r"\bwinner[\"'“”]?\s*[:=]\s*[\"'“”]?\s*(?:essay\s+[ab]\b|(?-i:[AB])[\"'“”])",
        r"[\"'“”]c(?:0[1-9]|[1-5]\d|6[0-4])[\"'“”]\s*:",
        r"(?:^|\n)\s*c(?:0[1-9]|[1-5]\d|6[0-4])\s*[:=]\s*[\"'“”]?(?:essay\s+[ab]\b|(?-i:[AB])\b)",
        r"[\"'“”]confidence[\"'“”]\s*:\s*[\"'“”]?[1-5]\b",
    ),
    FENCE_SHAPE: (r"<<<\s*\w[^<>\n]{0,60}>>>", r"\bend\s*>>>"),
    OVERRIDE: (
        # So usual in attacks, and nowhere else, that it need not begin a sentence.
        r"\b(?:ignore|disregard|forget)\s+(?:(?:all|any|the|your|of)\s+)*(?:previous|prior|above|preceding|system)"
        r"\s+(?:instruction|prompt|criteri)",
        rf"{_START}(?:ignore|disregard|forget|override|discard)\s+(?:(?:all|any|the|your|of)\s+)*(?:previous|prior|above|earlier|preceding|foregoing|system)\b[^.!?\n]{{0,30}}?\b(?:instruction|prompt|rule|criteri|guideline|direction|order|message|text)",
        rf"{_START}(?:ignore|disregard|override|discard)\s+(?:(?:all|any|the|your|of)\s+)*(?:judging|judge's|assessment|grading|marking|scoring)\s+(?:instruction|rule|criteri|guideline|direction|scheme)",
        rf"{_START}(?:ignore|disregard)\s+(?:all\s+|any\s+)?(?:your|the)\s+(?:instructions?|prompts?|system)\b",
        rf"{_SV_START}(?:ignorera|bortse\s+från|glöm|strunta\s+i|åsidosätt)\s+(?:(?:alla|all|de|dina|era|den)\s+)*(?:tidigare|föregående|ovanstående)\s+\w*(?:instruktion|anvisning|regl|kriteri|uppmaning|prompt)\w*",
        rf"{_SV_START}(?:ignorera|bortse\s+från|åsidosätt)\s+(?:(?:alla|de|dina|era)\s+)*(?:bedömnings\w+|instruktion\w*|anvisning\w*|systemprompt\w*)",
    ),
}
_COMPILED: Final = {rule: re.compile("|".join(patterns), re.IGNORECASE) for rule, patterns in _WORDED.items()}
_PLACES: Final = {ADDRESSES_JUDGE: of_orders, OVERRIDE: of_overriding}
MOST_READ: Final = 40_000
"""Characters that are looked at, so that no text takes long: some 6,500 words."""
MOST_PLACES: Final = 16
"""Places of a rule that are looked at closely. An honest text has none or two, so whoever writes more has something in mind."""
_LONGEST_WORD: Final = 40
_KEY: Final = re.compile("c[0-6]")
_STRIPPED = re.compile(f"[{_INVISIBLE}]")
_SPACES = re.compile(r"[^\S\n]+")
_ASCII: Final = bytes(range(128))
_ODD_SPACES: Final = frozenset("\t\r\x0b\x0c\x1c\x1d\x1e\x1f")
_USUAL: Final = frozenset(
    char
    for char in (*map(chr, range(0xA1, 0x250)), *"–—‘’‚“”„†•‹›€")
    if unicodedata.normalize("NFKC", char) == char
    and char.lower().upper() in (char, char.upper())
    and not _STRIPPED.match(char)
)
"""Characters beyond ASCII that stay as they are: in a text of these and ASCII alone nothing is hidden or disguised."""
_BLOCK: Final = 100
"""A run of 201 characters has a whole block of so many in it."""


def mask_of(rules: Iterable[str]) -> int:
    """Rules as the bits of a number, which a comparison keeps of each of its essays."""
    return sum(1 << RULES.index(rule) for rule in rules)


def rules_of(mask: int) -> tuple[str, ...]:
    """The rules of a mask. A bit of a rule that a newer worker knows is passed over."""
    return tuple(rule for place, rule in enumerate(RULES) if mask >> place & 1)


def suspicions(text: str) -> tuple[str, ...]:
    """The rules that a text meets, in the order of `RULES`; () for what speaks to a reader alone. 4 KB take some 0.1 ms.

    The words are compared after NFKC, which turns look-alike letters of other widths and styles into plain ones, and without
    characters that are not seen; those that are hidden are looked for in the text as it is.

    What is beyond MOST_READ characters, before or after NFKC, is not looked at, and neither are places beyond MOST_PLACES: then
    the text meets UNREAD, so that nothing gets past by being long. No text takes more than some 50 ms.
    """
    read = text[:MOST_READ]
    beyond = read.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")
    is_usual = _USUAL.issuperset(beyond)
    met = {HIDDEN} if _hides(read, is_usual) else set[str]()
    plain, is_whole = (read, True) if is_usual else _normal(read)
    if "  " in plain or not is_usual or any(space in plain for space in _ODD_SPACES):
        plain = _SPACES.sub(" ", plain)
    plain = _without_empty_lines(plain)
    if len(text) > MOST_READ or not is_whole:
        met.add(UNREAD)
    low = plain.replace("İ", "i").replace("ı", "i").lower()  # as IGNORECASE does it: no letter becomes two
    met.update(found for rule in _COMPILED if (found := _found(rule, plain, low)))
    return tuple(rule for rule in RULES if rule in met)


def _normal(text: str) -> tuple[str, bool]:
    """NFKC of a text, without what is not seen, as far as it is looked at; and whether that is all of it.

    Each character is written out by itself, and each kind once, for NFKC takes 10 µs for one that stands for 18, wherever it
    stands. What is left to do for a text is NFC, and the result is the same (UAX #15). More marks on one letter than Unicode's
    stream-safe format has are left out: to put 30,000 of them in order takes 5 s, and four times as long for twice as many.
    """
    forms = {ord(char): unicodedata.normalize("NFKC", char) for char in set(text)}
    written = text.translate(forms)
    plain = written[:MOST_READ]
    marks = "".join(sorted({char for form in forms.values() for char in form if unicodedata.combining(char)}))
    if marks:
        plain = re.sub(f"([{marks}]{{30}})[{marks}]+", r"\1", plain)
    return _STRIPPED.sub("", unicodedata.normalize("NFC", plain)), len(written) <= MOST_READ


def _without_empty_lines(plain: str) -> str:
    """One line break for several: from each of them the patterns would go through all that follow."""
    plain = plain.replace(" \n", "\n").replace("\n ", "\n")
    while "\n\n" in plain:
        plain = plain.replace("\n\n", "\n")
    return plain


def _found(rule: str, plain: str, low: str) -> str | None:
    """The rule, if the text meets it; UNREAD, if it has more places than are looked at."""
    pattern, places = _COMPILED[rule], _PLACES.get(rule)
    if rule == FENCE_SHAPE and ">>>" not in plain:
        return None
    if rule == ANSWER_SHAPE and not ("winner" in low or "confidence" in low or _KEY.search(low)):
        return None
    if places is None:
        return rule if pattern.search(plain) else None
    for number, (begin, end) in enumerate(places(low)):
        if number == MOST_PLACES:
            return UNREAD
        most = min(len(plain), end + _LONGEST_WORD)
        while end < most and plain[end].isalnum():  # no word is cut
            end += 1
        if pattern.search(plain, max(0, begin), end):
            return rule
    return None


def _hides(text: str, is_usual: bool) -> bool:
    if not is_usual and _UNSEEN.search(_FLAG.sub("", text)):
        return True
    if all(" " in text[at : at + _BLOCK] for at in range(0, len(text) - _BLOCK + 1, _BLOCK)):
        return False
    return any(_is_code(found[0]) for found in _BASE64.finditer(text))


def _is_code(run: str) -> bool:
    """Whether a long run of letters and digits is base64, and not a key that somebody leant on."""
    return len(set(run)) > 20 and any(map(str.isdigit, run)) and run.lower() != run
