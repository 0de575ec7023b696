"""The tools that a request is billed for, and what counts like tools, whatever way the caller gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from autogen_core.models import ChatCompletionClient, FunctionExecutionResultMessage, LLMMessage
from autogen_core.tools import Tool, ToolSchema
from pydantic import BaseModel

from ..tokens.profile_table import profile_of
from ..tokens.structured import answer_schema, as_text, as_tool, given_tools
from .warn import WarnOnce

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
    """What the requests of one model client are billed for beside their messages.

    Args:
        inner: The client that calls the model. Its own settings (``response_format``) are part of every request.

    Example:
        >>> from autogen_ext.models.replay import ReplayChatCompletionClient
        >>> class Answer(BaseModel):
        ...     city: str
        >>> billed = BilledTools(ReplayChatCompletionClient(["ok"]))
        >>> tools, has_schema = billed.of([], (), "auto", Answer, {}, "gpt-4o")
        >>> [tool["name"] for tool in tools], has_schema
        (['Answer'], True)
    """

    def __init__(self, inner: ChatCompletionClient) -> None:
        self._kind = _kind_of(inner)
        # Not from dump_component: AutoGen's OpenAI client cannot dump a response_format that is a class.
        own: object = getattr(inner, "_create_args", None)
        self._own: Mapping[str, Any] = cast("Mapping[str, Any]", own) if isinstance(own, Mapping) else {}
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
        """Return what a request is billed for beside its messages.

        Args:
            messages: The request.
            tools: As given to the client.
            tool_choice: Ollama's client sends the chosen tool alone.
            json_output: The schema of the answer, if it is a class.
            extra: Further arguments of the call; they go before the client's own.
            model: The model that answers.
        """
        settings = {**self._own, **extra}
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
        if self._kind == "ollama" and tool_choice not in ("auto", "required"):
            return [tool_choice] if isinstance(tool_choice, Tool) else []
        if self._kind == "anthropic":
            self._last = tools or self._last
            if any(isinstance(message, FunctionExecutionResultMessage) for message in messages):
                return self._last
        return tools


def _kind_of(client: ChatCompletionClient) -> str:
    """Which of AutoGen's clients it is, or is derived from; "" when it is none. None of them is imported for it."""
    modules = (cls.__module__ for cls in type(client).__mro__)
    found = (module.removeprefix(_CLIENTS).partition(".")[0] for module in modules if module.startswith(_CLIENTS))
    return next(found, "")
