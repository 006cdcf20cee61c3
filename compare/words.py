"""Numbers as a person reads them."""

from compare.row import Row


def duration(seconds: float) -> str:
    """ "47 s", "6 min", "9.1 h", "9.4 days"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.1f} min" if seconds < 600 else f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} days"


def usd(amount: float) -> str:
    """Four decimals: one assignment costs cents."""
    return f"${amount:.4f}"


def judgement(row: Row) -> str:
    """What is known of how the row's verdicts compare with those of single calls: of a price without that, half is told."""
    if row.strategy == "per_request":
        return "what the others are measured against"
    return "not measured" if row.bundle_size > 1 else "single prompts; batch against call not measured"


def way(row: Row) -> str:
    """The way in which the row's comparisons were sent, in words."""
    return f"{row.strategy} (bundles of {row.bundle_size}, {row.layout})" if row.layout else row.strategy
