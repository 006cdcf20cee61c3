"""How the commands put figures into words."""


def counted(number: int, name: str) -> str:
    """`1 round`, `1,200 rounds`: a number with its noun, whose plural ends in s."""
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"
