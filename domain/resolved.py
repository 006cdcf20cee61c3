"""What settings resolved for a comparison when its record was read."""

from msgspec import Struct


class Resolved(Struct, frozen=True, gc=False):
    """Provider, model, strategy and what else planning asks for that is the same for many comparisons, which share one object.

    Resolved once, on arrival, and kept in the table `rounds` (domain.rounds.Arrival): later settings do not change it.
    """

    provider: str = ""
    model: str = ""
    strategy: str = ""  # name of a row of domain.strategies
    profile: str = ""  # digest of the call profile: only comparisons of one profile share a bundle
    deadline_ms: int = 0
    bundle_hint: int = 0  # preferred_bundle_size, 0 for none
    paying_batch: str = ""  # bos_batch_id, whose budget pays
    max_tokens: int = 0  # max_tokens_override, 0 for none
