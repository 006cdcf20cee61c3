"""When a job whose fate is unknown is certainly absent."""

from dataclasses import dataclass

from domain.job import Claim

# By how much longer two scans must lie apart where the list shows no batch that is older than the claim, at a provider whose
# list was seen empty without a reason: half an hour with the default settle_s.
UNPROVEN_FACTOR = 10


@dataclass(frozen=True, slots=True)
class AbsenceRule:
    """The waits behind "certainly absent" (seconds); docs/providers.md#finding-a-lost-batch.

    settle_s is longer than the provider's own processing after a client has gone plus the lag of its list.
    """

    create_timeout_s: float
    clock_skew_s: float
    settle_s: float

    def scan_from_ms(self, claim: Claim) -> int:
        """The first moment at which a scan of the list may count: the claim and its create call have run out, on any clock."""
        wait_s = claim.start_within_s + self.create_timeout_s + self.clock_skew_s
        return claim.append_ms + int(wait_s * 1000)

    def certainly_absent(self, claim: Claim, empty_scans_ms: tuple[int, ...], *, proven: bool = True) -> bool:
        """Whether two complete scans without the job were late enough and settle_s apart. "Could not read" is no scan.

        proven: nothing speaks against the list itself. Otherwise the two must be UNPROVEN_FACTOR times as far apart.
        """
        counted = [at for at in empty_scans_ms if at >= self.scan_from_ms(claim)]
        settle_s = self.settle_s * (1 if proven else UNPROVEN_FACTOR)
        return bool(counted) and max(counted) - min(counted) >= int(settle_s * 1000)
