"""Keeps every LLM call of every AutoGen agent inside that agent's token budget.

The two hooks are `TokenBudgetChatCompletionContext` (one agent's history) and `TokenBudgetChatCompletionClient`
(every request of a model client). Both fit with a `ContextManager`, which can be used alone.

Example:
    >>> from autogen_core.models import UserMessage
    >>> context = TokenBudgetChatCompletionContext(model="gpt-4o", budget=6_000)
    >>> context.budget
    6000
"""

from importlib.metadata import version

import lazy_loader  # pyright: ignore[reportMissingTypeStubs]

__version__ = version("autogen-ext-tokenctx")

# What is public stands in `__init__.pyi`; a module is imported when a name of it is first asked for.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(  # pyright: ignore[reportUnknownVariableType]
    __name__, __file__
)
