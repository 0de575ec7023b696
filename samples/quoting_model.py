"""A scripted model of the family gpt-4o for the samples of dialogues: it can use only what is in its request."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from autogen_core import FunctionCall
from autogen_core.models import CreateResult, LLMMessage, ModelFamily, ModelInfo
from autogen_core.tools import Tool, ToolSchema
from scripted_model import ScriptedModel

WINDOW = 16_000


class QuotingModel(ScriptedModel):
    """Answers with what a function makes of the text of the request.

    Args:
        answer: Gets the text of the request, gives a reply or tool calls.
        window: Tokens a request may have.
    """

    def __init__(self, answer: Callable[[str], str | list[FunctionCall]], window: int = WINDOW) -> None:
        super().__init__(window)
        self._make = answer
        self.largest = 0

    def _answer(self, view: str) -> str | list[FunctionCall]:
        return self._make(view)

    async def create(
        self, messages: Sequence[LLMMessage], *, tools: Sequence[Tool | ToolSchema] = (), **options: object
    ) -> CreateResult:
        result = await super().create(messages, tools=tools)
        self.largest = max(self.largest, result.usage.prompt_tokens)
        return result

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(
            vision=False,
            function_calling=True,
            json_output=False,
            structured_output=False,
            family=ModelFamily.GPT_4O,
            multiple_system_messages=True,
        )


def quoted(view: str, sentences: Sequence[str]) -> list[str]:
    """Return which sentences stand in a request word for word, line breaks aside."""
    flat = re.sub(r"\s+", " ", view)
    return [sentence for sentence in sentences if sentence in flat]
