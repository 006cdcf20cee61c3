"""Whether the rows that were read of an ended batch are all that the provider says there are.

A download may end early without an error: a proxy closes it, or an empty body or an error comes with status 200. The rows that
did not come were paid; taken for missing they would be asked, and paid, again. So a row counts as missing only where the
provider's own count says that it is.
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
    """Why the rows that were read cannot be taken for all rows of the batch; None when they can."""
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
    """The failure of a download that ended with `error` and this HTTP status.

    The batch itself has just been seen, so a 404 or 410 for its results means that the results are gone, not the batch.
    """
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
