"""Pictures outlive the text beside them, go oldest first, and come back when they are asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from autogen_core import Image
from autogen_core.models import AssistantMessage, LLMMessage, UserMessage
from PIL import Image as PILImage

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.tokens.budget import TokenBudget
from tests.support.histories import conversation, prose

SHARED = ContextManager()


def picture(width: int = 640, height: int = 480) -> Image:
    return Image.from_pil(PILImage.new("RGB", (width, height)))


def shown(messages: Sequence[LLMMessage]) -> list[Image]:
    """All pictures of a request."""
    parts = [part for message in messages if isinstance(message, UserMessage) for part in message.content]
    return [part for part in parts if isinstance(part, Image)]


QUESTION = "Why is the button in the screenshot grey?"
LOG = "\n".join(f"12:00:{n % 60:02d} worker-{n % 7} handled request r-{n * 7919 % 100_003}" for n in range(400))
TEXTS = {
    "log": LOG,
    "prose": prose(3, 1_400),
    "records": json.dumps([{"id": n, "state": "open", "pump": f"p-{n * 7}"} for n in range(300)], indent=1),
    "one line": " ".join(f"entry-{n}" for n in range(1_200)),
    "code": "\n".join(f"def helper_{n}(a, b):\n    return a + b * {n}" for n in range(280)),
}


def orders(text: str) -> list[list[str | Image]]:
    return [
        [picture(), text, QUESTION],
        [QUESTION, picture(), text],
        [f"{text}\n\n{QUESTION}", picture()],
    ]


@pytest.mark.parametrize("budget", [1_500, 2_500])
@pytest.mark.parametrize("kind", TEXTS)
async def test_of_a_newest_message_with_a_picture_the_text_is_shortened(kind: str, budget: int) -> None:
    for parts in orders(TEXTS[kind]):
        before = conversation(6) if budget > 2_000 else []
        messages = [*before, UserMessage(content=parts, source="user")]
        result = await SHARED.for_agent().fit(messages, TokenBudget(limit=budget))
        assert len(shown(result.messages[-1:])) == 1
        assert QUESTION in str(result.messages[-1].content)
        assert result.report.tokens_after <= budget


@pytest.mark.parametrize("kind", TEXTS)
async def test_a_pinned_message_with_a_picture_is_no_error_while_its_text_can_shrink(kind: str) -> None:
    for parts in orders(TEXTS[kind]):
        pinned = UserMessage(content=parts, source="user")
        others = conversation(4)
        for messages in ([pinned, *others], [*others[:5], pinned, *others[5:]]):
            result = await SHARED.for_agent().fit(messages, 1_800, pinned=[pinned])
            assert len(shown(result.messages)) == 1
            assert QUESTION in str(result.messages)


@pytest.mark.parametrize(("count", "fit"), [(2, 1), (3, 1), (3, 2), (5, 3)])
async def test_of_pictures_that_do_not_all_fit_the_newest_stay(count: int, fit: int) -> None:
    pictures = [picture() for _ in range(count)]
    cost = SHARED.counter.count_message(UserMessage(content=[pictures[0]], source="user"))
    newest = UserMessage(content=[*pictures, prose(4, 300), QUESTION], source="user")
    result = await SHARED.for_agent().fit([*conversation(3), newest], fit * cost + 400)
    assert [id(image) for image in shown(result.messages)] == [id(image) for image in pictures[-fit:]]


@pytest.mark.parametrize("fit", [1, 2, 3])
async def test_of_pictures_of_many_turns_the_newest_stay(fit: int) -> None:
    messages: list[LLMMessage] = [UserMessage(content="Order a lamp in the shop.", source="user")]
    pictures = [picture() for _ in range(8)]
    for number, image in enumerate(pictures):
        messages.append(UserMessage(content=[f"The page after click {number}.", image], source="surfer"))
        messages.append(AssistantMessage(content=f"I click on link {number}.", source="planner"))
    messages.append(UserMessage(content="What next?", source="user"))
    cost = SHARED.counter.count_message(UserMessage(content=[pictures[0]], source="user"))
    result = await SHARED.for_agent().fit(messages, fit * cost + 500)
    assert [id(image) for image in shown(result.messages)] == [id(image) for image in pictures[-fit:]]


ASKED = {
    "the invoice of Baltic Timber": "What is the total on the picture of the invoice of Baltic Timber?",
    "the login page of the intranet": "Look at the screenshot of the login page again: which button is grey?",
    "pump P-4208 in hall 3": "On the photo of pump P-4208, is the valve open?",
    "the org chart of the sales team": "Who stands at the top of the org chart of the sales team?",
}


def with_pictures() -> tuple[list[LLMMessage], dict[str, Image]]:
    """A long talk in which four pictures came up early."""
    pictures = {subject: picture() for subject in ASKED}
    messages: list[LLMMessage] = [UserMessage(content="Help me with the office.", source="user")]
    for subject, image in pictures.items():
        messages.append(UserMessage(content=[f"Here is {subject}.", image], source="user"))
        messages.append(AssistantMessage(content="I see it.", source="assistant"))
    return [*messages, *conversation(12)[1:]], pictures


@pytest.mark.parametrize(("subject", "question"), ASKED.items())
async def test_a_picture_that_is_asked_for_comes_back_into_a_new_view(subject: str, question: str) -> None:
    messages, pictures = with_pictures()
    messages.append(UserMessage(content=question, source="user"))
    result = await SHARED.for_agent().fit(messages, 2_500)
    assert any(image is pictures[subject] for image in shown(result.messages))


@pytest.mark.parametrize(("subject", "question"), ASKED.items())
async def test_a_picture_that_is_asked_for_is_recalled(subject: str, question: str) -> None:
    messages, pictures = with_pictures()
    context = TokenBudgetChatCompletionContext(budget=3_000, reserve=0)
    for message in messages:
        await context.add_message(message)
        await context.get_messages()
    assert not any(image is pictures[subject] for image in shown(context.last_view))
    await context.add_message(UserMessage(content=question, source="user"))
    view = await context.get_messages()
    assert any(image is pictures[subject] for image in shown(view))
    assert SHARED.counter.count_request(view) <= 3_000
    await context.add_message(AssistantMessage(content="Yes.", source="assistant"))
    await context.add_message(UserMessage(content="Go on with item 13.", source="user"))
    assert not any(image is pictures[subject] for image in shown(await context.get_messages()))
