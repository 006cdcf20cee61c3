"""Requests to an API without an SDK. None is ever sent a second time."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx2

from providers.http.transport import TIMEOUTS, CountingClient

_MOST_REDIRECTS = 5


class Rest:
    """One API at its base URL, with the key in a header. An answer that is no success raises httpx2.HTTPStatusError.

    Only a GET is redirected, and without the key where another host is named: httpx2 itself would take the header along.
    """

    def __init__(self, http_client: CountingClient, base_url: str, key_header: str, api_key: str) -> None:
        self._http, self._base_url = http_client, base_url.rstrip("/")
        self._key_header, self._api_key = key_header, api_key

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | AsyncIterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        time_limits: httpx2.Timeout = TIMEOUTS,
    ) -> httpx2.Response:
        """Send one request, and return its answer with the whole body."""
        response = await self._send(method, path, params, content, headers, time_limits)
        return await _read(response)

    @asynccontextmanager
    async def download(self, path: str, params: Mapping[str, str] | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of an answer, as they come."""
        response = await self._send("GET", path, params, None, None, TIMEOUTS)
        try:
            yield response.aiter_bytes()
        finally:
            await response.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        content: bytes | AsyncIterable[bytes] | None,
        headers: Mapping[str, str] | None,
        time_limits: httpx2.Timeout,
    ) -> httpx2.Response:
        """An answer whose body has not been read yet; that of a failure has."""
        all_headers = {self._key_header: self._api_key, **(headers or {})}
        request = self._http.build_request(
            method, f"{self._base_url}{path}", params=params, content=content, headers=all_headers, timeout=time_limits
        )
        response = await self._http.send(request, stream=True, follow_redirects=False)
        for _ in range(_MOST_REDIRECTS):
            following = response.next_request
            if following is None or method != "GET":
                break
            if following.url.origin != request.url.origin:
                following.headers.pop(self._key_header, None)
            await response.aclose()
            response = await self._http.send(following, stream=True, follow_redirects=False)
        if not response.is_success:
            (await _read(response)).raise_for_status()  # its body says what is wrong
        return response

    def path_of(self, url: str) -> str:
        """The path and query of an address that the API names, to be asked for at the base URL."""
        return path_at(url, urlsplit(self._base_url).path)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


async def _read(response: httpx2.Response) -> httpx2.Response:
    """The same with its whole body; closed, also where that breaks off."""
    try:
        await response.aread()
    finally:
        await response.aclose()
    return response


def path_at(url: str, base_path: str) -> str:
    """The path and query of an address that an API names, to be asked for at the base URL, whose own path is `base_path`.

    Behind a gateway such an address is the provider's, or the gateway's other name: not to be reached from here, and no place
    for our key.
    """
    parts = urlsplit(url)
    path, prefix = parts.path.lstrip("/"), base_path.strip("/")
    if prefix and path.startswith(f"{prefix}/"):  # a gateway that writes its own address into the answer
        path = path.removeprefix(f"{prefix}/")
    return f"/{path}?{parts.query}" if parts.query else f"/{path}"
