"""The operating system's words for a connection or a listener that could not be made."""

import os
import ssl


def system_words(error: BaseException) -> str | None:
    """`Connection refused`, `Address already in use`; None where the error has no such words.

    asyncio and aiohttp replace the system's words by addresses, and by a mention of TLS where there is none; the error's number
    is still the system's. Not so for host names that are not found (negative numbers, words of their own) and for TLS errors.
    """
    if not isinstance(error, OSError) or isinstance(error.__cause__ or error, ssl.SSLError):
        return None
    return os.strerror(error.errno) if error.errno is not None and error.errno > 0 else None
