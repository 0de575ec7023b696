"""The order of roles: as the history has it, and as the model's endpoint takes it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.memory import ListMemory, MemoryContent, MemoryMimeType
from autogen_core.models import AssistantMessage, LLMMessage, SystemMessage, UserMessage

from autogen_ext_tokenctx import (
    EstimatedTokenCounter,
    ModelOptimizer,
    TokenBudgetChatCompletionClient,
    TokenBudgetChatCompletionContext,
)
from autogen_ext_tokenctx.forms.form import Form

from ..support.histories import conversation, prose
from ..support.strict_client import StrictClient

BUDGET = 1_500


def repeats(messages: list[LLMMessage]) -> int:
    """How often a message has the role of the one before it; system messages do not count."""
    roles = [message.type for message in messages if not isinstance(message, SystemMessage)]
    return sum(one == other for one, other in pairwise(roles))


@pytest.mark.parametrize("model", ["gpt-4o", "gemma-2-9b-it", "mistral-large", "claude-sonnet-4"])
async def test_a_chat_in_turns_stays_one(model: str) -> None:
    client = TokenBudgetChatCompletionClient(inner := StrictClient(), BUDGET, model=model)
    context = TokenBudgetChatCompletionContext(model=model, budget=BUDGET)
    history: list[LLMMessage] = []
    compacted = 0
    for turn in range(40):
        question = UserMessage(content=f"Question {turn}: {prose(turn, 30)}", source="user")
        history.append(question)
        await context.add_message(question)
        await client.create(history)
        assert repeats(list(inner.requests[-1].messages)) == 0
        assert repeats(await context.get_messages()) == 0
        for report in (client.last_report, context.last_report):
            assert report is not None
            assert report.tokens_after <= BUDGET
            compacted += report.compacted
        answer = AssistantMessage(content=f"Answer {turn}: {prose(turn + 500, 30)}", source="coder")
        history.append(answer)
        await context.add_message(answer)
    assert compacted > 4


def team(turns: int) -> list[LLMMessage]:
    """A history in which others speak several times before the agent does."""
    others = ("ann", "ben")
    said: list[LLMMessage] = [UserMessage(content="Look after the boilers.", source="user")]
    for turn in range(turns):
        said += [UserMessage(content=prose(turn * 7 + n, 30), source=name) for n, name in enumerate(others)]
        said.append(AssistantMessage(content=prose(turn * 7 + 3, 30), source="coder"))
    return [*said, UserMessage(content="Go on.", source="ann")]


@pytest.mark.parametrize("model", ["gemma-2-9b-it", "mistral-large"])
@pytest.mark.parametrize("history", [team(20), team(2), conversation(20)], ids=["long", "short", "tools"])
async def test_where_a_family_insists_the_request_has_turns_whatever_the_history(
    model: str, history: list[LLMMessage]
) -> None:
    client = TokenBudgetChatCompletionClient(inner := StrictClient(), BUDGET, model=model)
    await client.create([*history, UserMessage(content="And?", source="user")])
    sent = list(inner.requests[-1].messages)
    assert ModelOptimizer().optimize_for_model(sent, model) == sent
    report = client.last_report
    assert report is not None
    assert report.tokens_after <= BUDGET
    if not any(message.type == "FunctionExecutionResultMessage" for message in sent):
        assert repeats(sent) == 0
    assert [step.form for step in report.steps].count(Form.SHAPED) == 1


async def test_none_turns_it_off() -> None:
    history = team(2)
    client = TokenBudgetChatCompletionClient(inner := StrictClient(), BUDGET, model="gemma-2-9b-it", optimizer=None)
    await client.create(history)
    assert list(inner.requests[-1].messages) == history


async def test_what_is_no_optimizer_is_refused() -> None:
    with pytest.raises(TypeError, match="optimizer is a ModelOptimizer"):
        TokenBudgetChatCompletionContext(budget=100, optimizer="gemma")  # pyright: ignore[reportArgumentType]


async def test_the_choice_is_in_the_configuration() -> None:
    context = TokenBudgetChatCompletionContext(budget=100, optimizer=None)
    loaded = TokenBudgetChatCompletionContext.load_component(context.dump_component())
    assert loaded.dump_component().config["optimizer"] is False
    own = TokenBudgetChatCompletionContext(budget=100, optimizer=ModelOptimizer(profiles={}))
    with pytest.raises(TypeError, match="cannot be dumped"):
        own.dump_component()


@pytest.mark.parametrize("model", [None, "", "my-own-model-7b"])
def test_of_an_unknown_family_nothing_is_changed(model: str | None) -> None:
    assert ModelOptimizer().shape_for(model) is None


async def test_the_rows_of_a_report_add_up_with_the_shape() -> None:
    counter = EstimatedTokenCounter()
    context = TokenBudgetChatCompletionContext(model="gemma-2-9b-it", budget=BUDGET, counter=counter, reserve=0)
    for message in team(4):
        await context.add_message(message)
    view, report = await context.get_messages(), context.last_report
    assert report is not None
    (shaped,) = [step for step in report.steps if step.form is Form.SHAPED]
    assert shaped.tokens_before != shaped.tokens_after
    assert report.tokens_after == counter.count_request(view)
    changes = sum(step.tokens_after - step.tokens_before for step in report.steps)
    assert report.tokens_before + changes == report.tokens_after


@pytest.mark.parametrize("hook", ["client", "both"])
@pytest.mark.parametrize("model", ["gemma-2-9b-it", "claude-sonnet-4"])
async def test_every_request_of_a_team_is_as_the_endpoint_takes_it(model: str, hook: str) -> None:
    inner = StrictClient([f"Point {number}: {prose(number, 45)}" for number in range(200)])
    client = TokenBudgetChatCompletionClient(inner, BUDGET, model=model)

    def context() -> TokenBudgetChatCompletionContext | None:
        return TokenBudgetChatCompletionContext(model=model, budget=BUDGET) if hook == "both" else None

    memory = ListMemory()
    await memory.add(MemoryContent(content="Hall 4 is closed.", mime_type=MemoryMimeType.TEXT))
    agents = [
        AssistantAgent(name, client, model_context=context(), memory=[memory], system_message=f"You are {name}.")
        for name in ("ann", "ben", "cleo")
    ]
    team = RoundRobinGroupChat(list(agents), termination_condition=MaxMessageTermination(10))
    for turn in range(5):
        await team.run(task=f"Read the gauges of hall {turn}. {prose(turn, 60)}")
    assert len(inner.requests) > 40
    for request in inner.requests:
        sent = list(request.messages)
        assert ModelOptimizer().optimize_for_model(sent, model) == sent
    assert all(call.report.tokens_after <= BUDGET for call in client.recent)
