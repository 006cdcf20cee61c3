"""Time zones in settings."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator


def _known(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("must be a time zone of the IANA database, as UTC or Europe/Stockholm") from error
    return name


#: A setting that holds the name of a time zone of the IANA database.
TimeZone = Annotated[str, AfterValidator(_known)]
