"""What requests are billed for and may cost: what is known, and was learned, of what models count and take."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from autogen_core.models import ChatCompletionClient, CreateResult, FunctionExecutionResultMessage, LLMMessage
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from ..models.counters import is_exact
from ..models.limits import ModelLimits
from ..models.names import settings_of
from ..models.overflow import Overflow
from ..models.profile_table import profile_of
from ..models.schemas import answer_schema, as_text, as_tool, given_tools
from ..models.token_manager import TokenManager
from ..tokens.budget import TokenBudget, within
from ..tokens.calibrated import CalibratedCounter, PlannedRequest
from ..tokens.calibration import Calibration
from ..tokens.counting import TokenCounter
from ..warn import WarnOnce

_CLIENTS = "autogen_ext.models."
_GRAMMARS = ("ollama", "llama_cpp")
"""Clients whose servers hold a model to a schema by a grammar, and show it none."""


class Billed(NamedTuple):
    """What one request is billed for beside its messages."""

    tools: Sequence[Tool | ToolSchema]
    """The tools it sends, and one that stands for the schema of its answer."""
    has_schema: bool
    """Whether there is such a schema; how it is billed is not documented."""


class BilledTools:
    """What the requests of one model client are billed for beside their messages."""

    def __init__(self, inner: ChatCompletionClient) -> None:
        self._kind = _kind_of(inner)
        self._own = settings_of(inner)
        self._last: Sequence[Tool | ToolSchema] = ()
        self._warn = WarnOnce()

    def of(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        tool_choice: Tool | Literal["auto", "required", "none"],
        json_output: bool | type[BaseModel] | None,
        extra: Mapping[str, Any],
        model: str,
    ) -> Billed:
        """Return what a request is billed for beside its messages."""
        settings = {**self._own, **extra}  # arguments of the call go before the client's own
        sent = [*self._sent(messages, tools, tool_choice), *given_tools(settings)]
        answer = None if self._kind in _GRAMMARS else self._answer(json_output, settings, model)
        return Billed(sent if answer is None else [*sent, answer], answer is not None)

    def _answer(
        self, json_output: bool | type[BaseModel] | None, settings: Mapping[str, Any], model: str
    ) -> ToolSchema | None:
        try:
            found = answer_schema(json_output, settings)
            form = as_tool if profile_of(model).family == "claude" else as_text
            return None if found is None else form(*found)
        except Exception as error:  # the client that sends it says better what is wrong with it
            self._warn("schema", f"the schema of the answer could not be counted ({error!r})")
            return None

    def _sent(
        self,
        messages: Sequence[LLMMessage],
        tools: Sequence[Tool | ToolSchema],
        tool_choice: Tool | Literal["auto", "required", "none"],
    ) -> Sequence[Tool | ToolSchema]:
        # Ollama's client sends the chosen tool alone
        if self._kind == "ollama" and tool_choice not in ("auto", "required"):
            return [tool_choice] if isinstance(tool_choice, Tool) else []
        if self._kind == "anthropic":
            self._last = tools or self._last
            if any(isinstance(message, FunctionExecutionResultMessage) for message in messages):
                return self._last
        return tools


def _kind_of(client: ChatCompletionClient) -> str:
    """Return which of AutoGen's clients it is, or is derived from; "" when it is none."""
    # none of them is imported for it
    modules = (cls.__module__ for cls in type(client).__mro__)
    found = (module.removeprefix(_CLIENTS).partition(".")[0] for module in modules if module.startswith(_CLIENTS))
    return next(found, "")


GIVEN = "given"
"""Where a budget comes from that the user gave."""

_GUESSES = frozenset({"name_pattern", "default"})
"""Sources that do not know the model itself: a given budget is not cut for a guess."""

_REPLY_TOKENS, _REPLY_SHARE = 4_096, 0.25
"""What the reply needs of a window that input and output share, where nobody says: AutoGen's Anthropic client asks for
as many; and never more than this share of it."""

_REPLY_KEYS = ("max_completion_tokens", "max_tokens", "max_output_tokens", "num_predict")
"""What the tokens of a reply are called in the settings of a call."""


class CallBudget(NamedTuple):
    """The budget of a call, and where it comes from."""

    budget: int | TokenBudget  # the tokens it may have; a number fills them, see `TokenBudget`
    source: str  # where the number comes from: ``"given"``, or the source of the model's limit


class CallLimits:
    """Budgets within what models take."""

    def __init__(self, client: ChatCompletionClient | None, manager: TokenManager | None) -> None:
        self._is_default = manager is None
        self._manager = manager if manager is not None else TokenManager(client=client)
        self._own: Mapping[str, Any] = {} if client is None else settings_of(client)
        self._last: dict[str, CallBudget] = {}
        self._warn = WarnOnce()

    async def of(self, given: int | TokenBudget | None, model: str, extra: Mapping[str, Any]) -> CallBudget:
        """Return the budget of a call to a model, "" where that is not known; None as given is what the model takes."""
        found = self._last[repr((given, model))] = await self._of(given, model, extra)
        return found

    def last(self, given: int | TokenBudget | None, model: str) -> TokenBudget:
        """Return the budget of the last call to a model, and before there was one what may be taken for it."""
        found = self._last.get(repr((given, model)))
        return TokenBudget.of(found.budget if found else _DEFAULT.max_input_tokens if given is None else given)

    def check_dumpable(self) -> None:
        """Raise TypeError where a token manager was brought: it cannot be put into a component's config."""
        if not self._is_default:
            raise TypeError(
                "a hook with token_manager= cannot be dumped: the token manager is an object of this process. Build "
                "the hook without it, or give it again in code after loading."
            )

    async def _of(self, given: int | TokenBudget | None, model: str, extra: Mapping[str, Any]) -> CallBudget:
        if given is not None and not model:
            return CallBudget(given, GIVEN)
        limits = await self._limits(model)
        reply = _reply_of({**self._own, **extra})
        if given is None:
            most = limits.max_input_tokens
            if most >= limits.context_window:  # the reply comes out of the same window
                share = int(_REPLY_SHARE * limits.context_window)
                most -= min(reply or _REPLY_TOKENS, share)
            return CallBudget(max(1, most), limits.source)
        most = min(limits.max_input_tokens, limits.context_window - (reply or 0))
        budget = TokenBudget.of(given)
        if limits.source in _GUESSES or budget.limit <= most or most <= 0:
            return CallBudget(given, GIVEN)
        self._warn(
            f"limit {model}",
            f"a budget of {budget.limit} tokens is more than {model!r} takes: {most} input tokens, by the source "
            f"{limits.source!r}. That is its budget now: give budget={most} or less, or correct the limit "
            "(TokenManager().explain(model) names where it is from)",
        )
        if isinstance(given, int):
            return CallBudget(most, limits.source)
        return CallBudget(within(given, max(1, most - given.reserve)), limits.source)

    async def _limits(self, model: str) -> ModelLimits:
        try:
            return await self._manager.get_limits(model or "unknown")
        except Exception as error:  # no agent must die because nobody knows its model
            self._warn("limits", f"the limits of {model!r} are not known ({error!r}); the default is taken")
            return _DEFAULT


_DEFAULT = ModelLimits(8_192, 8_192, source="default")


def _reply_of(settings: Mapping[str, Any]) -> int | None:
    """Return the tokens of a reply, where the settings of a call say so."""
    options = settings.get("options")
    places: list[Any] = [settings, options if isinstance(options, Mapping) else {}]
    found = (place.get(key) for place in places for key in _REPLY_KEYS)
    return next((tokens for tokens in found if isinstance(tokens, int) and tokens > 0), None)


logger = logging.getLogger(__name__)

_LIMIT_KEY = "limit"

_SMALLER = 0.7
"""Share of a refused request that is sent next where no limit is stated, or what was stated did not do."""


class ModelUsage:
    """The usage that providers stated, model by model, and the limits that they have shown."""

    def __init__(self, counter: TokenCounter, model: str, *, trusted: bool) -> None:
        self._counter = counter
        self._model = model
        self._trusted = trusted  # the counter is taken at its word until the usage of that model contradicts it
        self._counters: dict[str, CalibratedCounter] = {}
        self._limits: dict[str, int] = {}
        self._with_ceiling: set[str] = set()
        self._warn = WarnOnce()

    def name_of(self, model: str | None) -> str:
        """Return the name of the model of a call: the usual one where None is given."""
        return self._model if model is None else model

    def counter_for(self, model: str | None) -> CalibratedCounter:
        """Return what counts in the tokens of a model; None for the usual one."""
        name = self.name_of(model)
        if name not in self._counters:
            trusted = self._trusted and (name == self._model or is_exact(name))
            self._counters[name] = CalibratedCounter(self._counter, Calibration(trusted=trusted))
        return self._counters[name]

    def within_limit(self, budget: TokenBudget, model: str | None) -> TokenBudget:
        """Return ``budget``, or what of it the model takes, as far as its refusals and its usage have shown."""
        limits = self._limits.get(self.name_of(model)), self._calibration(model).ceiling
        return within(budget, min((limit for limit in limits if limit is not None), default=budget.available))

    def learn(
        self, planned: PlannedRequest, model: str | None, result: CreateResult, *, has_schema: bool
    ) -> int | None:
        """Learn from the usage of a call; return the input tokens it states, None when it states none."""
        # A cached result repeats the usage of another time, and some clients give 0 or nothing where they know none.
        used: Any = getattr(result.usage, "prompt_tokens", None)
        if result.cached or not isinstance(used, int) or used <= 0:
            return None
        self._observe(planned, model, used, has_schema)
        return used

    def learn_refusal(
        self, planned: PlannedRequest, model: str | None, overflow: Overflow, *, has_schema: bool, again: bool = False
    ) -> int:
        """Learn from a refusal; return the tokens that the request may have when it is sent once more."""
        # what a schema costs no counter knows exactly; else it is what a usage would have said
        if overflow.requested is not None and not has_schema:
            self._observe(planned, model, overflow.requested, has_schema)
        sent = planned.counter.plan(planned.messages, planned.tools, planned.counted).expected.upper
        smaller = max(1, int(_SMALLER * sent))
        limit = overflow.input_limit
        allowed = smaller
        if limit is not None and (overflow.requested is not None or limit < sent):
            allowed = max(1, min(limit, sent * limit // (overflow.requested or sent)))
            allowed = allowed if allowed < sent and not again else min(allowed, smaller)
        # A limit above the estimate of what was refused is no help: it is the estimate that is kept within it.
        self._keep_within(limit if limit is not None and limit < sent else allowed, model)
        return allowed

    def dump(self) -> dict[str, Any]:
        """Return what was learned, by model, as JSON values: its tokens, and the limit that its refusals showed."""
        return {
            model: self._calibration(model).dump()
            | ({_LIMIT_KEY: self._limits[model]} if model in self._limits else {})
            for model in self._counters
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `dump` gave; a broken part is left out with one warning."""
        for model, learned in state.items():
            try:
                known = dict(learned)
                limit = known.pop(_LIMIT_KEY, None)
                self._counters[model] = CalibratedCounter(self._counter, Calibration.load(known))
                if limit is not None:
                    self._limits[model] = TokenBudget.of(limit).limit  # refuses what is no limit
            except Exception as error:
                self._warn("load", f"the saved calibration of model {model!r} is broken and left out: {error}")

    def _calibration(self, model: str | None) -> Calibration:
        calibration = self.counter_for(model).calibration
        assert calibration is not None
        return calibration

    def _observe(self, planned: PlannedRequest, model: str | None, counted: int, has_schema: bool) -> None:
        calibration = planned.counter.calibration
        if calibration is None or (has_schema and calibration.is_trusted):
            return  # the schema may be wrong, the counter need not be
        try:
            calibration.observe(planned.size(), counted)
        except Exception as error:  # a call that went well must not fail for its usage
            self._warn("learn", f"a usage of {counted} tokens could not be learned from ({error!r})")
        name = self.name_of(model)
        if calibration.ceiling is not None and name not in self._with_ceiling:
            self._with_ceiling.add(name)
            logger.warning(
                "the server of model %r seems to cut requests at %d tokens without saying so: its usage does not grow "
                "any more while the requests do. They stay within %d input tokens from now on. Give the server a "
                "larger window (num_ctx of Ollama, for example), or set budget=%d or less.",
                name,
                *(calibration.ceiling,) * 3,
            )

    def _keep_within(self, limit: int, model: str | None) -> None:
        """Keep later requests to the model within a limit, with one warning a model."""
        name = self.name_of(model)
        if name not in self._limits:
            logger.warning(
                "model %r refused a request as too long; requests to it stay within %d input tokens from now on. "
                "Set budget=%d or less, then they fit at once and leave the reply the tokens you want.",
                name,
                limit,
                limit,
            )
        self._limits[name] = min(limit, self._limits.get(name, limit))
