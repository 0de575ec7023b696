"""What both hooks do around a `ContextManager`: build one, and survive its faults."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from autogen_core.models import LLMMessage
from autogen_core.tools import Tool, ToolSchema

from ..context.manager import ContextManager
from ..context.recall import Recalled
from ..context.report import FitResult
from ..context.summary import Summary
from ..errors import BudgetTooSmallError
from ..tokens.budget import TokenBudget
from ..tokens.counting import TokenCounter, counter_for_model
from ..tokens.task import TaskDefinition
from .warn import WarnOnce


class Fitter:
    """The context manager of a hook, with what is needed to build, dump and guard it.

    Args:
        model: Name of the model, for its tokenizer.
        counter: A counter to use instead of the model's.
        manager: A manager to use instead of a new one. Siblings of it are used, which share its counter, caches
            and strategies, and have archives of their own.

    Raises:
        ValueError: Both ``counter`` and ``manager`` are given.
    """

    def __init__(self, model: str | None, counter: TokenCounter | None, manager: ContextManager | None) -> None:
        if counter is not None and manager is not None:
            raise ValueError(
                "give counter= or manager=, not both: a manager brings its counter, ContextManager(counter=…)"
            )
        self._brought = "counter" if counter is not None else "manager" if manager is not None else ""
        if manager is None:
            manager = ContextManager(counter=counter if counter is not None else counter_for_model(model))
        self._root = manager
        self._warn = WarnOnce()

    @property
    def counter(self) -> TokenCounter:
        """The counter all managers of this hook count with; a manager guards it, so it never raises."""
        return self._root.counter

    def new_manager(self) -> ContextManager:
        """A manager with an archive of its own."""
        return self._root.for_agent()

    async def fit(
        self,
        manager: ContextManager,
        messages: Sequence[LLMMessage],
        budget: TokenBudget,
        *,
        task: str | TaskDefinition | None = None,
        tools: Sequence[Tool | ToolSchema] = (),
        pinned: Sequence[LLMMessage] = (),
        summary: Summary | None = None,
    ) -> FitResult | None:
        """What ``manager`` makes of ``messages``; None, with one warning, when it fails.

        Raises:
            BudgetTooSmallError: What has to be in the request does not fit.
        """
        try:
            return await manager.fit(messages, budget, task=task, tools=tools, pinned=pinned, summary=summary)
        except BudgetTooSmallError:
            raise
        except Exception as error:  # an agent must not die because its context could not be fitted
            self._warn(
                "fit", f"the context could not be fitted ({error!r}); it is sent whole, with broken pairs repaired"
            )
            return None

    async def learn(self, manager: ContextManager, message: LLMMessage, number: int) -> None:
        """Lets ``manager`` read a new message; what fails here fails again, and is told, when it is fitted."""
        with suppress(Exception):
            await manager.learn(message, number)

    async def recall(
        self,
        manager: ContextManager,
        earlier: Sequence[LLMMessage],
        asked: Sequence[LLMMessage],
        view: Sequence[LLMMessage],
        room: int,
        pictures: int,
    ) -> Recalled | None:
        """What ``manager`` recalls; None, with one warning, when it fails."""
        try:
            return await manager.recall(earlier, asked, view, room, pictures)
        except Exception as error:  # what is recalled comes on top: the view serves without it
            self._warn("recall", f"nothing is recalled ({error!r}); the view is sent without it")
            return None

    def check_dumpable(self) -> None:
        """Raise when what the user brought cannot be put into a component's config.

        Raises:
            TypeError: A counter or a manager was brought.
        """
        if self._brought:
            raise TypeError(
                f"a hook with {self._brought}= cannot be dumped: the {self._brought} is an object of this process. "
                f"Build the hook with model= only, or give {self._brought}= again in code after loading."
            )
