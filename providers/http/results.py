"""Whether the rows that were read of an ended batch are all that the provider says there are.

A download may end early without an error: a proxy closes it, an empty body or an error comes with status 200. What is missing
then was paid, and believed to be missing it would be paid again. So a row is missing only when the provider's own count agrees.
"""

from dataclasses import dataclass

from providers.protocol import JobNotVisible, ProviderError, ResultsNotWhole

# How long after a batch's end results that do not show yet are waited for, and counts may still lag behind.
LAG_S = 600.0
_GONE = (404, 410)


@dataclass(frozen=True, slots=True)
class Announced:
    """How many rows an ended batch says there are at least, and how many of them are answers; None: it does not say."""

    rows: int | None
    answered: int | None


@dataclass(frozen=True, slots=True)
class Read:
    """What was read: rows by distinct custom id, how many of them answer, and whether a file ended within a line."""

    rows: int
    answered: int
    cut: bool


def objection(announced: Announced, read: Read) -> ResultsNotWhole | None:
    """What speaks against this being all; None when it is."""
    paid = _not_read(announced, read)
    came = f"{read.rows} rows came, {read.answered} of them answers"
    if announced.rows is None or paid is None:
        return ResultsNotWhole(f"{came}; the provider does not say how many there are", paid=paid)
    if read.rows < announced.rows or paid:
        return ResultsNotWhole(f"{came}; the provider counts {announced.rows} and {announced.answered}", paid=paid)
    if read.cut:
        return ResultsNotWhole(f"{came}; the results end within a line", paid=paid)
    return None


def of_download(error: ProviderError, status: int | None, announced: Announced, read: Read) -> ProviderError:
    """The failure of a download, `status` as its answer had it: the batch was seen, so results that are not there are gone."""
    gone = isinstance(error, JobNotVisible) and status in _GONE
    if not gone and not isinstance(error, ResultsNotWhole):
        return error
    told = ResultsNotWhole(
        f"the batch has ended, and its results are gone: {error}", gone=True, paid=_not_read(announced, read)
    )
    told.__cause__ = error
    return told


def _not_read(announced: Announced, read: Read) -> int | None:
    return None if announced.answered is None else max(0, announced.answered - read.answered)
