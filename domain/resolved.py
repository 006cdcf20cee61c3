"""What settings resolved for a comparison when its record was read."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Resolved:
    """Provider, model, strategy and all else that planning a comparison asks for.

    Resolved once, on arrival, and kept in the table `rounds`: settings of a later start do not change it. The order of the
    fields is the order in the stored bytes; a new field needs a default, because entries without it are read.
    """

    provider: str = ""
    model: str = ""
    strategy: str = ""  # name of a row of domain.strategies
    profile: str = ""  # digest of the call profile: only comparisons of one profile share a bundle
    prompt_bytes: int = 0
    deadline_ms: int = 0
    bundle_hint: int = 0  # preferred_bundle_size, 0 for none
    paying_batch: str = field(default="", metadata={"alias": "batch"})  # bos_batch_id, whose budget pays; stored as `batch`
    max_tokens: int = 0  # max_tokens_override, 0 for none
    essays: tuple[int, int] | None = None  # hashes of the two, where they may be bundled
