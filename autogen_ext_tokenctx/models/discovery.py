"""Asking the model's API how large its window is: the one source that knows what a server was started with."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal, TypeVar, get_args
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

# The endpoint and the key are the user's own and go nowhere else: redirects are followed within the same origin only,
# and neither is ever logged. Nothing a server does is an error here: hanging, failing, HTML, wrong types and endless
# bodies all mean "no answer", and the next source is asked.

# Where a body is cut: four times OpenRouter's list of all models, the largest there is.
MAX_BODY_BYTES = 4_000_000

# How an API is asked: three have ways of their own, "list" is a hosted list of models, "server" one's own server.
Provider = Literal["anthropic", "cohere", "gemini", "list", "server"]

# How a host is asked, and where the command `tokenctx` finds the key of one that it is told to ask.
_HOSTS: Mapping[str, tuple[Provider, str]] = {
    "api.anthropic.com": ("anthropic", "ANTHROPIC_API_KEY"),
    "api.cohere.com": ("cohere", "COHERE_API_KEY"),
    "api.cohere.ai": ("cohere", "COHERE_API_KEY"),
    "generativelanguage.googleapis.com": ("gemini", "GEMINI_API_KEY"),
    "openrouter.ai": ("list", "OPENROUTER_API_KEY"),
    "api.mistral.ai": ("list", "MISTRAL_API_KEY"),
    "api.groq.com": ("list", "GROQ_API_KEY"),
    "api.together.ai": ("list", "TOGETHER_API_KEY"),
    "api.together.xyz": ("list", "TOGETHER_API_KEY"),
}
KEY_VARIABLES = {host: variable for host, (_, variable) in _HOSTS.items()}
# Their lists of models state no limits.
_MUTE_HOSTS = ("api.openai.com", ".openai.azure.com")
_KEY_HEADERS = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}
_VERSION = re.compile(r"(/compatibility)?/v\d+(beta)?(/openai)?$")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to ask: an address without user, password and query, and what belongs to it."""

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
        return cls(clean, key, login, provider or _HOSTS.get(host, ("server", ""))[0])

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


_Answer = TypeVar("_Answer", ModelLimits, dict[str, ModelLimits])
# An address, how to read what comes back, and what to POST there, if anything.
_Question = tuple[str, Callable[[object], "_Answer | None"], "Mapping[str, str] | None"]


def _questions(endpoint: Endpoint, name: ModelName) -> Iterator[_Question[ModelLimits]]:
    """Yield what to ask an endpoint about a model, in order."""
    base, root = endpoint.base_url, _VERSION.sub("", endpoint.base_url)

    def find(body: object) -> ModelLimits | None:
        return read_list(body, name)

    if endpoint.provider in ("anthropic", "cohere"):
        yield f"{root}/v1/models/{quote(name.given, safe='')}", read_entry, None
    elif endpoint.provider == "gemini":
        yield f"{root}/v1beta/models/{quote(name.given.removeprefix('models/'), safe='')}", read_entry, None
    else:
        yield f"{base if base != root else f'{root}/v1'}/models", find, None
    if endpoint.provider == "server":
        # llama.cpp's router loads any model that is asked about, unless told not to.
        yield f"{root}/props?model={quote(name.given, safe='')}&autoload=false", read_entry, None
        yield f"{root}/api/ps", find, None
        yield f"{root}/api/show", read_ollama_model, {"model": name.given}
        yield f"{root}/api/v1/models", find, None
        yield f"{root}/api/v0/models", find, None
        yield f"{root}/info", read_entry, None


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
    """Asks the endpoint; what it says about running models is what counts for local servers."""

    def __init__(self, endpoint: Endpoint | None, timeout: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout  # for all questions about one model together

    async def __call__(self, name: ModelName) -> LimitAnswer:
        """Ask about a model."""
        if self._endpoint is None:
            off = "off: it needs enable_api_discovery and a base_url or a client that has one"
            return LimitAnswer("api", None, off)
        try:
            limits, path = await _ask(self._endpoint, self._timeout, _questions(self._endpoint, name))
        except ImportError:
            warn_once(
                "discovery:httpx",
                "enable_api_discovery is on, but httpx is not installed, so no API is asked for limits: "
                'pip install "autogen-ext-tokenctx[discovery]", or set enable_api_discovery=False.',
            )
            return LimitAnswer("api", None, "httpx is not installed")
        except _NoAnswerError as error:
            return LimitAnswer("api", None, str(error), error.fault)
        return LimitAnswer("api", limits, f"{self._endpoint.host}{path}")


async def list_limits(endpoint: Endpoint, timeout: float) -> dict[str, ModelLimits]:
    """Return what an endpoint's list of models states, by model; raise a LookupError that says why it does not."""
    try:
        stated, _ = await _ask(endpoint, timeout, ((url, read_all, None) for url in _lists(endpoint)))
    except ImportError:
        raise LookupError('httpx is not installed: pip install "autogen-ext-tokenctx[discovery]"') from None
    return stated


class _NoAnswerError(LookupError):
    """What is wrong with a response, and whether it is worth asking again soon."""

    def __init__(self, problem: str, *, fault: bool = False) -> None:
        super().__init__(problem)
        self.fault = fault


async def _ask(endpoint: Endpoint, timeout: float, questions: Iterable[_Question[_Answer]]) -> tuple[_Answer, str]:
    """Return the first answer to some questions, and its path; raise _NoAnswerError or, without httpx, ImportError."""
    host = endpoint.host
    if host.endswith(_MUTE_HOSTS):
        raise _NoAnswerError(f"{host} states no limits")
    try:
        import httpx

        verify = await asyncio.to_thread(_certificates)  # 40 ms the first time: not on the event loop
        # A client belongs to the event loop it is used on, so none is kept.
        async with httpx.AsyncClient(
            verify=verify, timeout=timeout, headers=endpoint.headers(), auth=endpoint.login
        ) as client:
            return await asyncio.wait_for(_ask_each(client, host, questions), timeout)
    except (_NoAnswerError, ImportError):
        raise
    except asyncio.TimeoutError:
        raise _NoAnswerError(f"{host} did not answer within {timeout:g} s", fault=True) from None
    except Exception as error:
        # Whatever a server, a proxy or a certificate does must not take a look-up down. Only the kind of error is told:
        # its text may quote the address or a header.
        raise _NoAnswerError(f"{host}: {type(error).__name__}", fault=True) from None


async def _ask_each(
    client: httpx.AsyncClient, host: str, questions: Iterable[_Question[_Answer]]
) -> tuple[_Answer, str]:
    """Put the questions, one after the other, until one is answered."""
    problems: list[str] = []
    failed = False
    for url, read, sent in questions:
        path, problem = urlsplit(url).path, "no limits"
        try:
            if answer := read(await _fetch(client, url, sent)):
                return answer, path
        except _NoAnswerError as error:
            problem, failed = str(error), failed or error.fault
        problems.append(f"{path}: {problem}")
        logger.debug("asking %s: %s", host, problems[-1])
    raise _NoAnswerError(f"{host} did not say ({'; '.join(problems)})", fault=failed)


@cache
def _certificates() -> SSLContext:
    """Return the certificates of the machine, read once: they belong to no event loop."""
    import httpx

    return httpx.create_ssl_context()


async def _fetch(client: httpx.AsyncClient, address: str, sent: Mapping[str, str] | None) -> object:
    """Return the decoded body of a response, after redirects within the origin."""
    method = "GET" if sent is None else "POST"
    url = client.build_request(method, address).url
    origin = (url.scheme, url.host, url.port)
    for _ in range(4):  # redirects: from http to https, to the address with or without a slash, and one to spare
        async with client.stream(method, url, json=sent) as response:
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
