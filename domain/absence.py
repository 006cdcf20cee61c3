"""When a job whose fate is unknown is certainly absent."""

from dataclasses import dataclass

from domain.job import Claim


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

    def certainly_absent(self, claim: Claim, empty_scans_ms: tuple[int, ...]) -> bool:
        """Whether two complete scans without the job were late enough and settle_s apart. "Could not read" is no scan."""
        counted = [at for at in empty_scans_ms if at >= self.scan_from_ms(claim)]
        return bool(counted) and max(counted) - min(counted) >= int(self.settle_s * 1000)
