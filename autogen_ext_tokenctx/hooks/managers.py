"""The context managers of a hook: siblings of one that the user brought, or of a default one."""

from __future__ import annotations

from ..context.manager import ContextManager
from ..tokens.counting import TokenCounter, counter_for_model


class Managers:
    """Makes the managers of one hook.

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
        self._root = manager or ContextManager(counter=counter if counter is not None else counter_for_model(model))

    @property
    def counter(self) -> TokenCounter:
        """The counter that all managers of this hook count with; a manager guards it, so it never raises."""
        return self._root.counter

    def new(self) -> ContextManager:
        """Return a manager with an archive of its own."""
        return self._root.for_agent()

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
