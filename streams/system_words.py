"""What the system says of a connection or a listener that could not be made."""

import os
import ssl


def system_words(error: BaseException) -> str | None:
    """`Connection refused`, `Address already in use`; None where the system said nothing of its own.

    asyncio and aiohttp put addresses, and words on TLS where there is none, in the place of the system's. Names that are not
    found have negative numbers and words of their own; those of TLS errors are no system's numbers.
    """
    if not isinstance(error, OSError) or isinstance(error.__cause__ or error, ssl.SSLError):
        return None
    return os.strerror(error.errno) if error.errno is not None and error.errno > 0 else None
