"""Asking the model's API how large its window is: the one source that knows what a server was started with.

The endpoint and the key are the user's own and go nowhere else: redirects are followed within the same origin only,
and neither is ever logged. Nothing a server does is an error here: hanging, failing, HTML, wrong types and endless
bodies all mean "no answer", and the next source is asked.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

from ..warn import warn_once
from .api_formats import read_entry, read_list, read_ollama_model
from .model_limits import Answer, Window
from .model_names import ModelName

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 4_000_000
"""Where a body is cut; OpenRouter's list of all models, the largest, has about 1 MB."""

_MAX_REDIRECTS = 3
Provider = Literal["anthropic", "cohere", "gemini", "list", "server"]
"""How an API is asked: three have ways of their own, "list" is a hosted list of models, "server" one's own server."""

_PROVIDERS: Mapping[str, Provider] = {
    "api.anthropic.com": "anthropic",
    "api.cohere.com": "cohere",
    "api.cohere.ai": "cohere",
    "generativelanguage.googleapis.com": "gemini",
    "openrouter.ai": "list",
    "api.mistral.ai": "list",
    "api.groq.com": "list",
    "api.together.ai": "list",
    "api.together.xyz": "list",
}
_MUTE_HOSTS = ("api.openai.com", ".openai.azure.com")
"""Their lists of models state no limits."""

_VERSION = re.compile(r"(/compatibility)?/v\d+(beta)?(/openai)?$")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to ask.

    Args:
        base_url: As given to the model client, such as ``http://localhost:8080/v1``; without user, password and query.
        api_key: The key, if there is one.
        login: User and password from the address, if it had them.
        provider: How to ask.

    Example:
        >>> Endpoint.parse("https://me:secret@openrouter.ai/api/v1", "sk-1").provider
        'list'
    """

    base_url: str
    api_key: SecretStr | None
    login: tuple[str, str] | None = field(repr=False)
    provider: Provider

    @classmethod
    def parse(cls, base_url: str, api_key: str | SecretStr | None = None, provider: Provider | None = None) -> Endpoint:
        """Read an address.

        Args:
            base_url: The API's address.
            api_key: Its key.
            provider: How to ask; found out from the host by default.

        Raises:
            ValueError: The address is not one of HTTP, or the provider is unknown.
        """
        try:
            parts = urlsplit(base_url.strip())
            host, port = parts.hostname, parts.port
        except ValueError:
            parts = host = port = None
        # The address itself stays out of the message: it may hold a password.
        if parts is None or parts.scheme not in ("http", "https") or not host:
            raise ValueError("base_url must be an address such as 'http://localhost:8080/v1'")
        if provider is not None and provider not in get_args(Provider):
            raise ValueError(f"provider must be one of {', '.join(get_args(Provider))}, not {provider!r}")
        netloc = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
        login = (parts.username, parts.password or "") if parts.username else None
        key = SecretStr(api_key) if isinstance(api_key, str) else api_key
        clean = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
        return cls(clean, key, login, provider or _PROVIDERS.get(host, "server"))

    @classmethod
    def of_client(cls, client: object) -> Endpoint | None:
        """Read the address and the key from an AutoGen model client; None if it shows none.

        Args:
            client: A client of autogen-ext, or one that wraps it.

        Example:
            >>> Endpoint.of_client(object()) is None
            True
        """
        node, provider = client, None
        for _ in range(8):  # wrappers, AutoGen's client, the provider's SDK, its HTTP client
            if type(node).__module__.partition(".")[0] == "anthropic":
                provider = "anthropic"
            base_url = getattr(node, "base_url", None)
            if base_url is not None:
                key = getattr(node, "api_key", None)
                try:
                    return cls.parse(str(base_url), key if isinstance(key, str) else None, provider)
                except ValueError:
                    return None
            inner = (getattr(node, attribute, None) for attribute in ("inner", "client", "_client"))
            node = next((value for value in inner if value is not None), None)
        return None

    @property
    def host(self) -> str:
        """The host, the one part of the address that may be shown."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def root(self) -> str:
        """The address without the API's version."""
        return _VERSION.sub("", self.base_url)

    def headers(self) -> dict[str, str]:
        """The headers that carry the key, as the provider wants them."""
        # Compressed bodies would have to be unpacked before their size is known.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self.provider == "anthropic":
            headers["anthropic-version"] = "2023-06-01"
        if self.api_key is not None:
            key = self.api_key.get_secret_value()
            own = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}.get(self.provider)
            headers |= {own: key} if own else {"Authorization": f"Bearer {key}"}
        return headers


@dataclass(frozen=True, slots=True)
class _Question:
    """One request and how to read what comes back; ``body`` makes it a POST."""

    url: str
    read: Callable[[object, ModelName], Window | None]
    body: Mapping[str, str] | None = None


def _questions(endpoint: Endpoint, name: ModelName) -> Iterator[_Question]:
    """What to ask an endpoint about a model, in order."""
    base, root = endpoint.base_url, endpoint.root

    def entry(body: object, _: ModelName) -> Window | None:
        return read_entry(body)

    if endpoint.provider in ("anthropic", "cohere"):
        yield _Question(f"{root}/v1/models/{_in_path(name.given)}", entry)
    elif endpoint.provider == "gemini":
        yield _Question(f"{root}/v1beta/models/{_in_path(name.given.removeprefix('models/'))}", entry)
    else:
        yield _Question(f"{base if base != root else f'{root}/v1'}/models", read_list)
    if endpoint.provider == "server":
        # llama.cpp's router loads any model that is asked about, unless told not to.
        yield _Question(f"{root}/props?model={_in_path(name.given)}&autoload=false", entry)
        yield _Question(f"{root}/api/ps", read_list)
        yield _Question(f"{root}/api/show", lambda body, _: read_ollama_model(body), {"model": name.given})
        yield _Question(f"{root}/api/v1/models", read_list)
        yield _Question(f"{root}/api/v0/models", read_list)
        yield _Question(f"{root}/info", entry)


def _in_path(text: str) -> str:
    return quote(text, safe="")


class ApiSource:
    """Asks the endpoint; what it says about running models is what counts for local servers.

    Args:
        endpoint: Where to ask; None if discovery is off or there is nowhere to ask.
        timeout: Seconds for all questions about one model together.

    Example:
        >>> asyncio.run(ApiSource(None, 5.0)(ModelName.parse("gpt-4o"))).window is None
        True
    """

    def __init__(self, endpoint: Endpoint | None, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout

    async def __call__(self, name: ModelName) -> Answer:
        """Ask about a model."""
        if self._endpoint is None:
            return Answer("api", None, "off: it needs enable_api_discovery and a base_url or a client that has one")
        if self._endpoint.host.endswith(_MUTE_HOSTS):
            return Answer("api", None, f"{self._endpoint.host} states no limits")
        try:
            import httpx
        except ImportError:
            warn_once(
                "discovery:httpx",
                "enable_api_discovery is on, but httpx is not installed, so no API is asked for limits: "
                'pip install "autogen-ext-tokenctx[discovery]", or set enable_api_discovery=False.',
            )
            return Answer("api", None, "httpx is not installed")
        try:
            verify = await asyncio.to_thread(_certificates)  # 40 ms the first time: not on the event loop
            headers = self._endpoint.headers()
            # A client belongs to the event loop it is used on, so none is kept.
            async with httpx.AsyncClient(
                verify=verify, timeout=self._timeout, headers=headers, auth=self._endpoint.login
            ) as client:
                return await asyncio.wait_for(_ask(client, self._endpoint, name), self._timeout)
        except asyncio.TimeoutError:
            return Answer("api", None, f"{self._endpoint.host} did not answer within {self._timeout:g} s", fault=True)
        except Exception as error:
            # Whatever a server, a proxy or a certificate does must not take a look-up down. Only the kind of error is
            # told: its text may quote the address or a header.
            return Answer("api", None, f"{self._endpoint.host}: {type(error).__name__}", fault=True)


@cache
def _certificates() -> SSLContext:
    """The certificates of the machine, read once: they belong to no event loop."""
    import httpx

    return httpx.create_ssl_context()


async def _ask(client: httpx.AsyncClient, endpoint: Endpoint, name: ModelName) -> Answer:
    problems: list[str] = []
    failed = False
    for question in _questions(endpoint, name):
        path = urlsplit(question.url).path
        body, problem, fault = await _fetch(client, question)
        window = None if problem else question.read(body, name)
        if window is not None:
            return Answer("api", window, f"{endpoint.host}{path}")
        failed = failed or fault
        problems.append(f"{path}: {problem or 'no limits'}")
        logger.debug("asking %s about %r: %s", endpoint.host, name.given, problems[-1])
    return Answer("api", None, f"{endpoint.host} did not say ({'; '.join(problems)})", failed)


async def _fetch(client: httpx.AsyncClient, question: _Question) -> tuple[object, str, bool]:
    """Get one body; else what was wrong with it, and whether it is worth asking again soon."""
    method = "GET" if question.body is None else "POST"
    url = client.build_request(method, question.url).url
    origin = (url.scheme, url.host, url.port)
    for _ in range(_MAX_REDIRECTS + 1):
        async with client.stream(method, url, json=question.body) as response:
            if response.next_request is None:
                return await _read(response)
            url = response.next_request.url
            if (url.scheme, url.host, url.port) != origin or method == "POST":
                return None, "a redirect that is not followed", False
    return None, "too many redirects", False


async def _read(response: httpx.Response) -> tuple[object, str, bool]:
    if response.status_code != 200:
        return (
            None,
            f"status {response.status_code}",
            response.status_code in (408, 425, 429) or response.is_server_error,
        )
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return None, "compressed against our wish", False
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None, f"more than {MAX_BODY_BYTES:,} bytes", False
    try:
        return json.loads(body), "", False
    except (ValueError, RecursionError):
        return None, "not JSON", False
