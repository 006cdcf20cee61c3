"""What the commands that read topics take as `--since`."""

import re

import typer

_AGO = re.compile(r"(\d+)([dhm])")
_MINUTES = {"d": 24 * 60, "h": 60, "m": 1}


def since_ms(since: str | None) -> int | None:
    """Milliseconds since the epoch of a time (one without a zone is UTC), or of so long ago: 30d, 12h, 90m.

    Errors: typer.BadParameter.
    """
    import datetime as dt

    if since is None:
        return None
    ago = _AGO.fullmatch(since)
    try:
        if ago is not None:
            at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=int(ago[1]) * _MINUTES[ago[2]])
        else:
            at = dt.datetime.fromisoformat(since)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"--since {since!r} is no time: give one as 2026-11-24T12:00:00+00:00, or 30d, 12h") from None
    return round((at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp() * 1000)
