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
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import SecretStr

from ..warn import warn_once
from .api_formats import read_all, read_entry, read_list, read_ollama_model
from .limits import LimitAnswer, ModelLimits
from .names import ModelName

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 4_000_000
"""Where a body is cut: four times OpenRouter's list of all models, the largest there is."""
# One from http to https, one to the address with or without a slash, one to spare.
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
# Their lists of models state no limits.
_MUTE_HOSTS = ("api.openai.com", ".openai.azure.com")
KEY_VARIABLES: Mapping[str, str] = {
    "api.anthropic.com": "ANTHROPIC_API_KEY",
    **dict.fromkeys(("api.cohere.com", "api.cohere.ai"), "COHERE_API_KEY"),
    "generativelanguage.googleapis.com": "GEMINI_API_KEY",
    "openrouter.ai": "OPENROUTER_API_KEY",
    "api.mistral.ai": "MISTRAL_API_KEY",
    "api.groq.com": "GROQ_API_KEY",
    **dict.fromkeys(("api.together.ai", "api.together.xyz"), "TOGETHER_API_KEY"),
}
"""Where the command ``tokenctx`` finds the key of a host that it is told to ask."""
_KEY_HEADERS = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}
_VERSION = re.compile(r"(/compatibility)?/v\d+(beta)?(/openai)?$")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to ask: an address without user, password and query, and what belongs to it.

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
        """Return the endpoint at an address; its host shows the provider if none is given."""
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
        """Return the endpoint of a client of autogen-ext, or of one that wraps it; None if it shows none."""
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

    def headers(self) -> dict[str, str]:
        """Return the headers that carry the key, as the provider wants them."""
        # Compressed bodies would have to be unpacked before their size is known.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self.provider == "anthropic":
            headers["anthropic-version"] = "2023-06-01"
        if self.api_key is not None:
            key, own = self.api_key.get_secret_value(), _KEY_HEADERS.get(self.provider)
            headers |= {own: key} if own else {"Authorization": f"Bearer {key}"}
        return headers


class _Question(NamedTuple):
    """One request and how to read what comes back; ``body`` makes it a POST."""

    url: str
    read: Callable[[object], ModelLimits | None]
    body: Mapping[str, str] | None = None


def _questions(endpoint: Endpoint, name: ModelName) -> Iterator[_Question]:
    """Yield what to ask an endpoint about a model, in order."""
    base, root = endpoint.base_url, _VERSION.sub("", endpoint.base_url)

    def find(body: object) -> ModelLimits | None:
        return read_list(body, name)

    if endpoint.provider in ("anthropic", "cohere"):
        yield _Question(f"{root}/v1/models/{quote(name.given, safe='')}", read_entry)
    elif endpoint.provider == "gemini":
        yield _Question(f"{root}/v1beta/models/{quote(name.given.removeprefix('models/'), safe='')}", read_entry)
    else:
        yield _Question(f"{base if base != root else f'{root}/v1'}/models", find)
    if endpoint.provider == "server":
        # llama.cpp's router loads any model that is asked about, unless told not to.
        yield _Question(f"{root}/props?model={quote(name.given, safe='')}&autoload=false", read_entry)
        yield _Question(f"{root}/api/ps", find)
        yield _Question(f"{root}/api/show", read_ollama_model, {"model": name.given})
        yield _Question(f"{root}/api/v1/models", find)
        yield _Question(f"{root}/api/v0/models", find)
        yield _Question(f"{root}/info", read_entry)


def _lists(endpoint: Endpoint) -> Iterator[str]:
    """Yield the addresses of an endpoint's lists of models, with pages as long as they may be."""
    base, root = endpoint.base_url, _VERSION.sub("", endpoint.base_url)
    if endpoint.provider == "gemini":
        yield f"{root}/v1beta/models?pageSize=1000"
    elif endpoint.provider in ("anthropic", "cohere"):
        yield f"{root}/v1/models?{'limit' if endpoint.provider == 'anthropic' else 'page_size'}=1000"
    else:
        yield f"{base if base != root else f'{root}/v1'}/models"
    if endpoint.provider == "server":
        yield from (f"{root}/api/{path}" for path in ("ps", "v1/models", "v0/models"))


class ApiSource:
    """Asks the endpoint; what it says about running models is what counts for local servers.

    Args:
        endpoint: Where to ask; None if discovery is off or there is nowhere to ask.
        timeout: Seconds for all questions about one model together.
    """

    def __init__(self, endpoint: Endpoint | None, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout

    async def __call__(self, name: ModelName) -> LimitAnswer:
        """Ask about a model."""
        if self._endpoint is None:
            off = "off: it needs enable_api_discovery and a base_url or a client that has one"
            return LimitAnswer("api", None, off)
        host = self._endpoint.host
        if host.endswith(_MUTE_HOSTS):
            return LimitAnswer("api", None, f"{host} states no limits")
        try:
            async with _http(self._endpoint, self._timeout) as client:
                return await asyncio.wait_for(_ask(client, self._endpoint, name), self._timeout)
        except ImportError:
            warn_once(
                "discovery:httpx",
                "enable_api_discovery is on, but httpx is not installed, so no API is asked for limits: "
                'pip install "autogen-ext-tokenctx[discovery]", or set enable_api_discovery=False.',
            )
            return LimitAnswer("api", None, "httpx is not installed")
        except asyncio.TimeoutError:
            return LimitAnswer("api", None, f"{host} did not answer within {self._timeout:g} s", fault=True)
        except Exception as error:
            # Whatever a server, a proxy or a certificate does must not take a look-up down. Only the kind of error is
            # told: its text may quote the address or a header.
            return LimitAnswer("api", None, f"{host}: {type(error).__name__}", fault=True)


async def list_limits(endpoint: Endpoint, timeout: float) -> dict[str, ModelLimits]:
    """Return what an endpoint's list of models states, by model.

    Args:
        endpoint: Where to ask.
        timeout: Seconds for all questions together.

    Raises:
        LookupError: It could not be asked, or states no limits; says why, and never holds a key.
    """
    host = endpoint.host
    if host.endswith(_MUTE_HOSTS):
        raise LookupError(f"{host} states no limits")
    try:
        async with _http(endpoint, timeout) as client:
            return await asyncio.wait_for(_ask_for_all(client, endpoint), timeout)
    except LookupError:
        raise
    except ImportError:
        raise LookupError('httpx is not installed: pip install "autogen-ext-tokenctx[discovery]"') from None
    except asyncio.TimeoutError:
        raise LookupError(f"{host} did not answer within {timeout:g} s") from None
    except Exception as error:  # as in `ApiSource`: only its kind is told
        raise LookupError(f"{host}: {type(error).__name__}") from None


async def _ask_for_all(client: httpx.AsyncClient, endpoint: Endpoint) -> dict[str, ModelLimits]:
    """Ask for one list after the other, until one states limits."""
    problems: list[str] = []
    for url in _lists(endpoint):
        path, problem = urlsplit(url).path, "no limits"
        try:
            if stated := read_all(await _fetch(client, _Question(url, read_entry))):
                return stated
        except _NoAnswerError as error:
            problem = str(error)
        problems.append(f"{path}: {problem}")
    raise LookupError(f"{endpoint.host} did not say ({'; '.join(problems)})")


@asynccontextmanager
async def _http(endpoint: Endpoint, timeout: float) -> AsyncGenerator[httpx.AsyncClient, None]:
    """Give a client for one look-up: one belongs to the event loop it is used on, so none is kept."""
    import httpx

    verify = await asyncio.to_thread(_certificates)  # 40 ms the first time: not on the event loop
    async with httpx.AsyncClient(
        verify=verify, timeout=timeout, headers=endpoint.headers(), auth=endpoint.login
    ) as client:
        yield client


@cache
def _certificates() -> SSLContext:
    """Return the certificates of the machine, read once: they belong to no event loop."""
    import httpx

    return httpx.create_ssl_context()


class _NoAnswerError(Exception):
    """What is wrong with a response, and whether it is worth asking again soon."""

    def __init__(self, problem: str, *, fault: bool = False) -> None:
        super().__init__(problem)
        self.fault = fault


async def _ask(client: httpx.AsyncClient, endpoint: Endpoint, name: ModelName) -> LimitAnswer:
    """Put the questions, one after the other, until one is answered."""
    problems: list[str] = []
    failed = False
    for question in _questions(endpoint, name):
        path, problem = urlsplit(question.url).path, "no limits"
        try:
            limits = question.read(await _fetch(client, question))
            if limits is not None:
                return LimitAnswer("api", limits, f"{endpoint.host}{path}")
        except _NoAnswerError as error:
            problem, failed = str(error), failed or error.fault
        problems.append(f"{path}: {problem}")
        logger.debug("asking %s about %r: %s", endpoint.host, name.given, problems[-1])
    return LimitAnswer("api", None, f"{endpoint.host} did not say ({'; '.join(problems)})", failed)


async def _fetch(client: httpx.AsyncClient, question: _Question) -> object:
    """Return the decoded body of a response, after redirects within the origin."""
    method = "GET" if question.body is None else "POST"
    url = client.build_request(method, question.url).url
    origin = (url.scheme, url.host, url.port)
    for _ in range(_MAX_REDIRECTS + 1):
        async with client.stream(method, url, json=question.body) as response:
            if response.next_request is None:
                return await _decoded(response)
            url = response.next_request.url
            if (url.scheme, url.host, url.port) != origin or method == "POST":
                raise _NoAnswerError("a redirect that is not followed")
    raise _NoAnswerError("too many redirects")


async def _decoded(response: httpx.Response) -> object:
    """Return the JSON of a response, of which no more is read than a list of models can have."""
    status = response.status_code
    if status != 200:
        raise _NoAnswerError(f"status {status}", fault=status in (408, 425, 429) or response.is_server_error)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise _NoAnswerError("compressed against our wish")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _NoAnswerError(f"more than {MAX_BODY_BYTES:,} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _NoAnswerError("not JSON") from None
