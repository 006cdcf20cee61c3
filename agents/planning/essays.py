"""What is found out about an essay on arrival. An essay stands in some 10 to 24 comparisons, and its text is looked at once."""

from domain.suspects import mask_of, suspicions
from providers.prompts.layouts import Essay, hash_of

_MOST = 4_096  # of essays that are remembered: some 170 rounds of 24, and 1 MB


class EssayLooks:
    """Looks at essays, and remembers what it saw by a hash of 64 bits, drawn anew for each process: no text is kept."""

    def __init__(self) -> None:
        self._rules: dict[int, int] = {}
        self._hashes: dict[tuple[str, int], int] = {}

    def rules(self, text: str) -> int:
        """The rules by which a text speaks to the judge (`domain.suspects.mask_of`)."""
        key = hash(text)
        found = self._rules.get(key)
        if found is None:
            if len(self._rules) >= _MOST:
                self._rules.clear()
            found = self._rules[key] = mask_of(suspicions(text))
        return found

    def hash(self, essay: Essay) -> int:
        """32 bits of its ID and text, by which bundles are put together."""
        key = (essay.id, hash(essay.text))
        found = self._hashes.get(key)
        if found is None:
            if len(self._hashes) >= _MOST:
                self._hashes.clear()
            found = self._hashes[key] = hash_of(essay)
        return found
