"""How one total of tokens is divided: among kinds of context by a task's complexity, and among the agents of a team."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import isfinite

from ..errors import BudgetTooSmallError, check_keys
from .budget import CONTEXT_TYPES
from .task import TaskComplexity, TaskDefinition, estimate_complexity

# Which share the groups of a category draw on. The keys are the values of `Category`, which is a room above.
CONTEXT_TYPE_OF_CATEGORY: Mapping[str, str] = {
    "current_task_requirements": "requirements",
    "project_structure": "design",
    "related_task_history": "execution_history",
    "general_context": "execution_history",
    "memory_patterns": "memory_patterns",
}

# Shares of a budget by complexity, in the order of CONTEXT_TYPES. High is given by the project's specification, the
# others are chosen: the simpler a task, the less design there is to keep in view and the more of the work is in what
# the tools just said. So 10 points a step go from design to execution history, and for a low one 5 more from
# requirements, which are short then. Memory does not depend on the size of the task: 15 points always.
DEFAULT_SHARES: Mapping[TaskComplexity, Mapping[str, float]] = {
    TaskComplexity.HIGH: dict(zip(CONTEXT_TYPES, (0.30, 0.30, 0.25, 0.15), strict=True)),
    TaskComplexity.MEDIUM: dict(zip(CONTEXT_TYPES, (0.30, 0.20, 0.35, 0.15), strict=True)),
    TaskComplexity.LOW: dict(zip(CONTEXT_TYPES, (0.25, 0.10, 0.50, 0.15), strict=True)),
}

# Weights of common roles in a team's budget: who reads files and tool results needs more than who reads reports.
# Chosen, not measured; other roles (writer, planner, orchestrator) weigh 1, and `weights` overrules all of them.
ROLE_WEIGHTS: Mapping[str, float] = {"coder": 2.0, "researcher": 2.0, "reviewer": 1.5, "tester": 1.5}


class TokenBudgetManager:
    """Divides a total of tokens; every division adds up to its total, to the token.

    Args:
        shares: Shares by complexity, in place of `DEFAULT_SHARES`; complexities not given keep the default. Each
            names the four context types; they are taken in proportion, so they need not add up to 1.

    Raises:
        ValueError: A share names other context types, is negative, or all of a complexity are 0.

    Example:
        >>> manager = TokenBudgetManager()
        >>> manager.allocate_budget(8_000, "high")
        {'requirements': 2400, 'design': 2400, 'execution_history': 2000, 'memory_patterns': 1200}
        >>> manager.budgets_for_team(20_000, ["planner", "coder"], weights={"coder": 3})
        {'planner': 5500, 'coder': 14500}
    """

    def __init__(self, *, shares: Mapping[TaskComplexity, Mapping[str, float]] | None = None) -> None:
        check_keys(shares or (), TaskComplexity, "shares")
        self._shares = {**DEFAULT_SHARES, **{TaskComplexity(name): own for name, own in (shares or {}).items()}}
        for complexity, given in self._shares.items():
            if set(given) != set(CONTEXT_TYPES):
                raise ValueError(
                    f"the shares of {complexity.value} must be of {', '.join(CONTEXT_TYPES)}; they are of "
                    f"{', '.join(given) or 'nothing'}"
                )
            _check_weights(given)

    estimate_complexity = staticmethod(estimate_complexity)

    def allocate_budget(self, total_tokens: int, task_complexity: TaskComplexity | str) -> dict[str, int]:
        """Divide a budget among the context types.

        Args:
            total_tokens: What is divided.
            task_complexity: How much the task asks for: "low", "medium" or "high".

        Returns:
            Tokens of each context type, in the order of `CONTEXT_TYPES`. They add up to ``total_tokens``: what
            rounding down leaves goes, a token each, to those it cut most.

        Raises:
            BudgetTooSmallError: The total is not positive.
            ValueError: There is no such complexity.

        Example:
            >>> TokenBudgetManager().allocate_budget(1_001, TaskComplexity.LOW)
            {'requirements': 250, 'design': 100, 'execution_history': 501, 'memory_patterns': 150}
        """
        if total_tokens <= 0:
            raise BudgetTooSmallError(total_tokens, 1)
        shares = self._shares[TaskComplexity(task_complexity)]
        return _split(total_tokens, {name: shares[name] for name in CONTEXT_TYPES})

    def shares_of(self, task_complexity: TaskComplexity | str) -> Mapping[str, float]:
        """Return the shares of a budget that the context types have, which add up to 1.

        Args:
            task_complexity: How much the task asks for: "low", "medium" or "high".

        Raises:
            ValueError: There is no such complexity.

        Example:
            >>> TokenBudgetManager().shares_of("low")["execution_history"]
            0.5
        """
        shares = self._shares[TaskComplexity(task_complexity)]
        total = sum(shares.values())
        return {name: shares[name] / total for name in CONTEXT_TYPES}

    def get_token_budget(self, task: str | TaskDefinition, total_tokens: int) -> int:
        """Tokens a planner may use for a task: the shares of requirements and design.

        Args:
            task: The task; its complexity is estimated unless it says so itself.
            total_tokens: The budget of the call.

        Raises:
            BudgetTooSmallError: The total is not positive.

        Example:
            >>> TokenBudgetManager().get_token_budget("Fix the typo in README.md", 10_000)
            3500
        """
        definition = task if isinstance(task, TaskDefinition) else TaskDefinition(description=task)
        allocation = self.allocate_budget(total_tokens, estimate_complexity(definition))
        # A plan is made of what is asked and of what it is built into; the rest is for carrying it out.
        return allocation["requirements"] + allocation["design"]

    def budgets_for_team(
        self,
        total: int,
        agents: Iterable[str],
        *,
        weights: Mapping[str, float] | None = None,
        minimum: int = 1_000,
        roles: Mapping[str, str] | None = None,
    ) -> dict[str, int]:
        """Divide one total among the agents of a team, as for ``TokenBudgetChatCompletionClient(agent_budgets=)``.

        Each agent gets the minimum; the rest goes by weight.

        Args:
            total: What is divided.
            agents: Names of the agents.
            weights: Weights by agent; the others weigh what their role does, or 1.
            minimum: Tokens every agent gets at least. The default is what an agent's system message and tools take
                before anything is known about them (``TokenBudgetChatCompletionContext`` reserves as much).
            roles: Roles by agent; see `ROLE_WEIGHTS`.

        Returns:
            Tokens of each agent, adding up to ``total``.

        Raises:
            BudgetTooSmallError: The total does not hold the minimum of every agent.
            ValueError: No agents, or a name that comes twice, or a weight or role of nobody in the team.

        Example:
            >>> TokenBudgetManager().budgets_for_team(9_000, ["lead", "ann"], roles={"ann": "coder"}, minimum=0)
            {'lead': 3000, 'ann': 6000}
        """
        names = list(agents)
        if not names:
            raise ValueError("a team needs at least one agent")
        if len(set(names)) < len(names):
            raise ValueError(f"agents' names must differ, they are: {', '.join(names)}")
        if strangers := [name for name in {**(weights or {}), **(roles or {})} if name not in names]:
            raise ValueError(f"not in the team: {', '.join(strangers)}")
        if minimum < 0:
            raise ValueError(f"minimum must not be negative, it is {minimum}")
        least = max(minimum, 1) * len(names)
        if total < least:
            raise BudgetTooSmallError(
                total, least, [f"{len(names)} agents with at least {max(minimum, 1)} tokens each"]
            )
        of_roles = {name: ROLE_WEIGHTS.get(role.lower(), 1.0) for name, role in (roles or {}).items()}
        weight_of = dict.fromkeys(names, 1.0) | of_roles | dict(weights or {})
        _check_weights(weight_of)
        rest = _split(total - minimum * len(names), weight_of)
        return {name: minimum + rest[name] for name in names}


def _check_weights(weights: Mapping[str, float]) -> None:
    if not all(isfinite(weight) and weight >= 0 for weight in weights.values()) or not any(weights.values()):
        raise ValueError(f"weights must be numbers of 0 or more, and one of them more than 0: {dict(weights)}")


def _split(total: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Return `total` in whole tokens by weight: rounded down, the rest by the largest remainders, then in order."""
    # In fractions, because 0.3 of a large total in floats can round to more than there is.
    exact = {name: Fraction(str(weight)) for name, weight in weights.items()}
    group = Fraction(total) / sum(exact.values())
    parts = {name: int(weight * group) for name, weight in exact.items()}
    by_remainder = sorted(parts, key=lambda name: parts[name] - exact[name] * group)
    for name in by_remainder[: total - sum(parts.values())]:
        parts[name] += 1
    return parts
