"""One TLS context for all HTTP clients of a process, each of which reads the machine's list of authorities otherwise.

That takes 30 ms of a core on a busy machine, and the tests make clients by the thousand. None of them meets a certificate:
simulators speak plain HTTP.
"""

from functools import cache

import httpcore2


def share_tls() -> None:
    """From here on the context is made when the first client asks for it, and is that of all others too."""
    httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)
