"""What the commands that read topics take as `--since`."""

import typer


def since_ms(since: str | None) -> int | None:
    """Milliseconds since the epoch; a time without a zone is UTC. Errors: typer.BadParameter."""
    import datetime as dt

    if since is None:
        return None
    try:
        at = dt.datetime.fromisoformat(since)
    except ValueError:
        raise typer.BadParameter(f"--since {since!r} is no time: give one as 2026-11-24T12:00:00+00:00") from None
    return round((at if at.tzinfo else at.replace(tzinfo=dt.UTC)).timestamp() * 1000)
