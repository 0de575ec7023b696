"""Recall earns its place: what it costs, what it must share with what asks, and what it never takes max_tokens from."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from autogen_agentchat.teams._group_chat._magentic_one._prompts import ORCHESTRATOR_PROGRESS_LEDGER_PROMPT
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.forms.form import FitStep, Form
from autogen_ext_tokenctx.hooks.chat_client import TokenBudgetChatCompletionClient
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.retrieval.recall import RECALL_SOURCE, Recalled

from ..support.histories import conversation, prose
from ..support.strict_client import StrictClient

MANAGER = ContextManager()

LEDGER = ORCHESTRATOR_PROGRESS_LEDGER_PROMPT.format(
    task="Find out which boiler leaks. Report its number.", team="ann: An agent.\nbob: An agent.", names="ann, bob"
)
"""523 tokens that an orchestrator asks at every step."""


def user(text: str, source: str = "user") -> UserMessage:
    return UserMessage(content=text, source=source)


def agent(text: str) -> AssistantMessage:
    return AssistantMessage(content=text, source="coder")


def block_of(view: Sequence[LLMMessage]) -> list[LLMMessage]:
    return [message for message in view if isinstance(message, UserMessage) and message.source == RECALL_SOURCE]


# What it takes no max_tokens from

NEWEST = {
    "a ledger prompt": LEDGER,
    "a long question": f"What did item 3 read at first? I compare it with these: {prose(77, 400)}",
    "a list": "Which of these reads 21?\n" + "\n".join(f"sensor 9{n}-3 of the list" for n in range(120)),
    "a pasted log": "Why did valve 3-0 stop?\n" + "\n".join(f"12:{n:02d} pump 3-{n} read {n * 7}" for n in range(60)),
}


class FindsAlways(ContextManager):
    """Has something to recall whatever is asked."""

    def for_agent(self) -> ContextManager:
        return FindsAlways(counter=self.counter)

    async def recall(
        self,
        earlier: Sequence[LLMMessage],
        asked: Sequence[LLMMessage],
        view: Sequence[LLMMessage],
        max_tokens: int,
        pictures: int = 0,
        question: Sequence[LLMMessage] = (),
        *,
        expandable: bool = True,
    ) -> Recalled | None:
        message = user("[Retrieved from earlier messages]\ncoder: Checked item 3.", RECALL_SOURCE)
        tokens = self.counter.count_message(message)
        return Recalled(message, FitStep(-1, RECALL_SOURCE, Form.RECALLED, tokens, tokens, ""))


@pytest.mark.parametrize("budget", [300, 400])
@pytest.mark.parametrize("newest", NEWEST.values(), ids=list(NEWEST))
async def test_nothing_is_recalled_while_the_newest_message_is_shortened(newest: str, budget: int) -> None:
    async def view(manager: ContextManager, question: str) -> list[LLMMessage]:
        context = TokenBudgetChatCompletionContext(budget=budget, reserve=0, manager=manager)
        for message in [*conversation(4), user(question)]:
            await context.add_message(message)
        return await context.get_messages()

    shown = await view(FindsAlways(), newest)
    assert shown[-1].content != newest
    assert not block_of(shown)
    assert shown[-1] == (await view(MANAGER.for_agent(), newest))[-1]
    assert block_of(await view(FindsAlways(), "And item 3?"))  # which has its max_tokens


@pytest.mark.parametrize("newest", NEWEST.values(), ids=list(NEWEST))
async def test_what_is_recalled_shortens_no_newest_message_that_fits(newest: str) -> None:
    counter = MANAGER.counter
    max_tokens = counter.count_request([user(newest)])
    for budget in range(max_tokens + 60, max_tokens + 260, 50):
        inner = StrictClient()
        await TokenBudgetChatCompletionClient(inner, budget=budget).create([*conversation(4), user(newest)])
        with_recall = inner.requests[-1].messages[-1].content
        await TokenBudgetChatCompletionClient(inner, budget=budget, recall=0.0).create([*conversation(4), user(newest)])
        assert with_recall == inner.requests[-1].messages[-1].content


async def test_a_second_read_gives_the_same_though_recall_found_no_room() -> None:
    context = TokenBudgetChatCompletionContext(budget=700, manager=MANAGER.for_agent())
    for message in [*conversation(6), user(NEWEST["a long question"])]:
        await context.add_message(message)
    first = await context.get_messages()
    assert await context.get_messages() == first


# What it must share with what asks


def steps(number: int) -> list[LLMMessage]:
    """What a team says at every step, in a few words of which none is rare."""
    said: list[LLMMessage] = []
    for step in range(number):
        said += [
            user(
                f"Please continue with the search for the harbour and report the progress, step {step}.", "orchestrator"
            ),
            agent(f"I continue the search: page {step * 37 % 50} of the archive lists {prose(step, 12)}"),
            user(f"Is the request satisfied, is progress being made, and who speaks next? {step}", "orchestrator"),
            agent(
                f"The request is not satisfied, progress is being made, the searcher speaks next. {prose(step + 50, 6)}"
            ),
        ]
    return said  # fmt: skip


COMMON = {
    "the next step": "Please continue with the search for the harbour and report the progress.",
    "a ledger": "Is the request satisfied, is progress being made, who speaks next, the searcher in the archive?",
    "an instruction": "Search the archive for the page of the harbour, continue and report the progress.",
    "a report": "The request is satisfied once progress is made: search the next page of the archive.",
    "thanks": "Thanks for the progress on the search of the archive, please continue to report.",
}  # fmt: skip


@pytest.mark.parametrize("question", COMMON.values(), ids=list(COMMON))
async def test_words_that_are_said_at_every_step_recall_nothing(question: str) -> None:
    earlier, asked = steps(12), [user(question, "orchestrator")]
    assert await MANAGER.recall(earlier, asked, asked, 400) is None


PLACES = {
    "code": ("The code of the door in Basel is 77 31 04, as Ottokar says.", "What is the code of the door in Basel?"),
    "phone": ("Wilma Brock of the bakery is on 0620-77310.", "Which number has Wilma Brock of the bakery?"),
    "id": ("Order LY-48213-K went to the wrong house.", "What happened to order LY-48213-K?"),
    "file": ("The limits in /srv/data/limits.toml are 40 and 70 bar.", "Which limits stand in /srv/data/limits.toml?"),
}


@pytest.mark.parametrize(("fact", "question"), PLACES.values(), ids=list(PLACES))
async def test_what_only_stands_beside_the_answer_is_not_recalled(fact: str, question: str) -> None:
    earlier = [user("Tell me about the weather over there."), agent(fact), user("It rains there all day long.")]
    earlier = [*steps(4), *earlier, *steps(4)]
    asked = [user(question)]
    found = await MANAGER.recall(earlier, asked, asked, 400)
    assert found is not None
    assert fact in str(found.message.content)
    assert await MANAGER.recall(earlier, asked, [agent(fact), *asked], 400) is None  # the view says it already


# What it costs


@pytest.mark.parametrize("answer", ["It is 7.", "Ask Zoe.", "At Kaya's.", "On Tuesday."])
async def test_no_block_is_more_notation_than_lines(answer: str) -> None:
    history = [*steps(3), agent(f"{answer} {prose(900, 9)}"), agent(answer), *steps(3)]
    for max_tokens in range(20, 200, 20):
        asked = [user(f"Say again: {answer.split()[-1]}")]
        found = await MANAGER.recall(history, asked, asked, max_tokens)
        if found is not None:
            lines = user(str(found.message.content).split("\n", 1)[1], RECALL_SOURCE)
            assert found.step.tokens_after <= max(found.step.tokens_before, 2 * MANAGER.counter.count_message(lines))
