"""Python's collector of garbage, in a process that is busy for long."""

import gc

_ALLOCATIONS = 20_000  # Python's default is 700: about two comparisons


def spare_the_collector() -> None:
    """Exempt the objects of the start, which stay for good, from garbage collection, and collect less often.

    Collecting took 20 % of a busy worker's time. Most of what a comparison leaves behind is freed by its reference counts;
    cycles of references wait a little longer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 20, 20)
