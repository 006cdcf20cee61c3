"""Which positions of each inbound record have no outcome yet: one number a record, whose bits are its positions."""

from collections.abc import Iterator

from domain.comparison import Member


class Waiting:
    """Positions that wait, by the offset of their record. A set of 12 positions would take 730 B, the number takes 28."""

    def __init__(self) -> None:
        self._bits: dict[int, int] = {}

    def note(self, offset: int, positions: int) -> None:
        """These bits of a record that was read wait; 0 where none does."""
        if positions:
            self._bits[offset] = positions

    def holds(self, member: Member) -> bool:
        """Whether this one waits."""
        return bool(self._bits.get(member.offset, 0) >> member.position & 1)

    def end(self, member: Member) -> bool:
        """Take one out. Returns whether it was the last one of its record."""
        bits = self._bits.get(member.offset)
        if bits is None:
            return False
        bits &= ~(1 << member.position)
        if bits:
            self._bits[member.offset] = bits
            return False
        del self._bits[member.offset]
        return True

    def of(self, offset: int) -> Iterator[Member]:
        """Those of one record, in order."""
        bits = self._bits.get(offset, 0)
        while bits:
            lowest = bits & -bits
            yield Member(offset, lowest.bit_length() - 1)
            bits ^= lowest

    def __iter__(self) -> Iterator[Member]:
        """All of them, in the order in which their records were read."""
        for offset in self._bits:
            yield from self.of(offset)

    def __len__(self) -> int:
        """The number of records with a position that waits."""
        return len(self._bits)
