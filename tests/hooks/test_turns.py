"""Agents and teams at work: every request has what is asked, what is done does not look open, rules bind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat, Swarm
from autogen_core import FunctionCall
from autogen_core.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from autogen_core.models import AssistantMessage, ChatCompletionClient, CreateResult, LLMMessage, UserMessage

from autogen_ext_tokenctx import TokenBudgetChatCompletionClient, TokenBudgetChatCompletionContext

from ..support.histories import exchange, look, prose
from ..support.strict_client import Request, StrictClient

HOOKS = ("context", "client", "both")


class Scripted(StrictClient):
    """A model of the family gpt-4o that answers with what a function makes of the request."""

    def __init__(self, answer: Callable[[Sequence[LLMMessage]], str | list[FunctionCall]]) -> None:
        super().__init__(family="gpt-4o")
        self.answer = answer

    async def create(self, messages: Sequence[LLMMessage], **given: Any) -> CreateResult:  # type: ignore[override]
        result = await super().create(messages, **given)
        result.content = self.answer(messages)
        result.finish_reason = "stop" if isinstance(result.content, str) else "function_calls"
        return result


def text_of(request: Request) -> str:
    return "\n".join(str(message.content) for message in request.messages)


def hooked(
    inner: StrictClient, hook: str, budget: int, past: Sequence[LLMMessage] = ()
) -> tuple[ChatCompletionClient, Callable[[], ChatCompletionContext]]:
    """The client of a team, and what makes the context of each of its agents."""
    client = inner if hook == "context" else TokenBudgetChatCompletionClient(inner, budget, model="gpt-4o")

    def context() -> ChatCompletionContext:
        if hook == "client":
            return UnboundedChatCompletionContext(initial_messages=list(past))
        return TokenBudgetChatCompletionContext(model="gpt-4o", budget=budget, initial_messages=list(past))

    return client, context


@pytest.mark.parametrize("budget", [1_500, 3_000])
@pytest.mark.parametrize("hook", HOOKS)
async def test_the_request_is_in_every_call_of_a_tool_loop(hook: str, budget: int) -> None:
    calls = 0

    def answer(messages: Sequence[LLMMessage]) -> str | list[FunctionCall]:
        nonlocal calls
        calls += 1
        if calls % 9 == 0:
            return f"All gauges of round {calls // 9} are fine."
        return [FunctionCall(id=f"c{calls}", name="look", arguments=f'{{"item": {calls}}}')]

    client, context = hooked(inner := Scripted(answer), hook, budget)
    agent = AssistantAgent("coder", client, tools=[look], model_context=context(), max_tool_iterations=9)
    for turn in range(8):
        task = f"Round {turn}: read the gauges of hall {turn * 7}, and say which of them is the oldest."
        before = len(inner.requests)
        await agent.run(task=task)
        assert len(inner.requests) > before + 5
        assert all(task in text_of(request) for request in inner.requests[before:])


@pytest.mark.parametrize("hook", HOOKS)
async def test_a_new_task_outranks_what_was_done_before_it(hook: str) -> None:
    past: list[LLMMessage] = []
    for turn in range(10):
        past += [UserMessage(content=f"Check gauge {turn}.", source="user"), *exchange(turn, 90)]
        past.append(AssistantMessage(content=f"Gauge {turn} is checked.", source="coder"))
    said = iter(range(1_000))
    client, context = hooked(inner := Scripted(lambda _: prose(next(said), 15)), hook, 1_000, past)
    agents = [AssistantAgent(name, client, model_context=context()) for name in ("ann", "ben", "cleo")]
    team = RoundRobinGroupChat(list(agents), termination_condition=MaxMessageTermination(25))
    task = "Plan a party for the caretaker in Lindorf."
    result = await team.run(task=task)
    run = [message.to_text() for message in result.messages]
    lost = 0
    for number, request in enumerate(inner.requests):
        text = text_of(request)
        assert task in text
        if any(point not in text for point in run[: number + 1]):  # then hardly any old row stands
            lost += text.count("[FunctionExecutionResult") + text.count("look(")
    assert lost <= 6


@pytest.mark.parametrize("hook", HOOKS)
async def test_the_talk_of_agents_does_not_drown_what_a_person_asks(hook: str) -> None:
    said = iter(range(1_000))
    client, context = hooked(inner := Scripted(lambda _: prose(next(said), 120)), hook, 1_500)
    agents = [AssistantAgent(name, client, model_context=context()) for name in ("ann", "ben", "cleo")]
    team = RoundRobinGroupChat(list(agents), termination_condition=MaxMessageTermination(25))
    await team.run(task="Good morning, everybody.")
    facts = "The contract is KX-4711-B; the caretaker can be reached under 0620-77310."
    await team.run(task=f"Find out which boiler leaks. {facts} {prose(777, 120)}")
    await team.run(task=f"Now plan the repairs of the pumps. {prose(888, 60)}")
    before = len(inner.requests)
    await team.run(task="Under which number can the caretaker be reached?")
    asked = inner.requests[before:]
    assert len(asked) == 24
    assert sum("0620-77310" in text_of(request) for request in asked) >= 0.8 * len(asked)


@pytest.mark.parametrize("hook", ["client", "both"])
async def test_a_selector_whose_prompt_is_one_system_message_runs_through(hook: str) -> None:
    said = iter(range(1_000))
    names = ("ann", "ben", "cleo")

    def answer(messages: Sequence[LLMMessage]) -> str:
        number = next(said)
        is_selection = "select the next role" in str(messages[-1].content)
        return names[number % 3] if is_selection else prose(number, 90)

    client, context = hooked(inner := Scripted(answer), hook, 6_000)
    agents = [AssistantAgent(name, client, description=f"{name} looks.", model_context=context()) for name in names]
    team = SelectorGroupChat(list(agents), client, termination_condition=MaxMessageTermination(50))
    result = await team.run(task="Find out which boiler leaks.")
    assert len(result.messages) == 50
    prompts = [text_of(request) for request in inner.requests if request.messages[-1].type == "SystemMessage"]
    assert len(prompts) > 40
    for prompt in prompts:
        assert "ann: ann looks." in prompt
        assert prompt.count("select the next role") == 2
    assert "lines omitted" in prompts[-1]
    newest = [message.to_text() for message in result.messages[-3:-1]]
    assert all(text.split(". ")[-2] in prompts[-1] for text in newest)


@pytest.mark.parametrize("outcome", ["Transferred: 400 euros to Ann.", "I could not: the account is closed."])
@pytest.mark.parametrize("hook", HOOKS)
async def test_a_task_that_is_done_does_not_look_open(hook: str, outcome: str) -> None:
    said = iter([outcome, *(f"Gauge {n}: {prose(n, 60)}" for n in range(100))])
    client, context = hooked(inner := Scripted(lambda _: next(said)), hook, 1_500)
    agent = AssistantAgent("coder", client, model_context=context())
    await agent.run(task="Transfer 400 euros to Ann.")
    for turn in range(25):
        await agent.run(task=f"Read gauge {turn} in hall {turn % 4}.")
    shown = [text_of(request) for request in inner.requests[1:] if "Transfer 400 euros" in text_of(request)]
    assert len(shown) == 25
    assert all(outcome in text or "[answered]" in text for text in shown)
    assert any(outcome in text for text in shown[-5:])


async def test_a_rule_told_to_the_first_agent_of_a_swarm_binds_the_third() -> None:
    rule = "Never send anything to the warehouse in Ulm without asking me first."
    names = ("first", "second", "third")

    def answer(messages: Sequence[LLMMessage]) -> str | list[FunctionCall]:
        asked = sum(message.type == "UserMessage" for message in messages)
        if asked % 3 == 2 and turn[0] < 2:
            turn[0] += 1
            target = names[turn[0]]
            return [FunctionCall(id=f"h{turn[0]}", name=f"transfer_to_{target}", arguments="{}")]
        return prose(asked * 11 + turn[0], 90)

    turn = [0]
    client, context = hooked(inner := Scripted(answer), "both", 1_000)
    agents = [
        AssistantAgent(name, client, handoffs=[Handoff(target=n) for n in names if n != name], model_context=context())
        for name in names
    ]
    team = Swarm(list(agents), termination_condition=MaxMessageTermination(30))
    await team.run(task="Look after the boilers.")
    told = len(inner.requests)
    await team.run(task=f"There is one more thing. {rule} Now go on.")
    for _ in range(6):
        await team.run(task=f"Go on with the pumps. {prose(99, 60)}")
    assert turn[0] == 2
    assert len(inner.requests) > told + 50
    assert all(rule in text_of(request) for request in inner.requests[told:])
