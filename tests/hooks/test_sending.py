"""Sending fitted calls, and once more, smaller, what was refused as too long."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any

import pytest
from autogen_core.models import AssistantMessage, CreateResult, LLMMessage, UserMessage

from autogen_ext_tokenctx.context.report import FitReport
from autogen_ext_tokenctx.errors import BudgetTooSmallError
from autogen_ext_tokenctx.hooks.link import ClientCall
from autogen_ext_tokenctx.hooks.sending import CallRecord, RecentCalls, Sender
from autogen_ext_tokenctx.hooks.session import FittedCall
from autogen_ext_tokenctx.hooks.usage import ModelUsage
from autogen_ext_tokenctx.tokens.counting import EstimatedTokenCounter

from ..support.histories import prose
from ..support.strict_client import StrictClient

COUNTER = EstimatedTokenCounter()
HISTORY: list[LLMMessage] = [UserMessage(content=prose(number, 40), source="user") for number in range(30)]
TOO_LONG = "Input is too long for requested model."
REPORT = FitReport(budget=100, tokens_before=90, tokens_after=90)


def call(messages: Sequence[LLMMessage] = HISTORY) -> ClientCall:
    return ClientCall(
        owner="coder",
        name="coder",
        team="",
        messages=messages,
        history=messages,
        tools=(),
        model=None,
        has_schema=False,
        call_id="c1",
        given={},
    )


class Provider(StrictClient):
    """Refuses the first requests as too long, whatever they hold, and may say something first."""

    def __init__(self, refusals: int, *, says: str = TOO_LONG, begins: bool = False) -> None:
        super().__init__(["all is well"])
        self.refusals = refusals
        self.says = says
        self.begins = begins

    def _answer(self, *args: Any, **kwargs: Any) -> CreateResult:
        result = super()._answer(*args, **kwargs)
        if len(self.requests) <= self.refusals:
            raise RuntimeError(self.says)
        return result

    async def create_stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[str | CreateResult, None]:
        if self.begins:
            yield "It "
        async for chunk in super().create_stream(*args, **kwargs):
            yield chunk


class Fitter:
    """Fits calls into what they are allowed, or as a test has it, and notes what that was."""

    def __init__(self, usage: ModelUsage, fit: Callable[[int], FittedCall | None] | None = None) -> None:
        self.usage = usage
        self.allowed: list[int] = []
        self.chosen = fit or self.newest

    def of(self, messages: Sequence[LLMMessage]) -> FittedCall:
        planned = self.usage.counter_for(None).plan(messages, ())
        report = FitReport(budget=100, tokens_before=90, tokens_after=planned.expected.tokens)
        return FittedCall(list(messages), report, planned)

    def newest(self, tokens: int) -> FittedCall:
        view = [message for number, message in enumerate(HISTORY) if COUNTER.count_request(HISTORY[number:]) <= tokens]
        return self.of(view)

    async def __call__(self, _: ClientCall, allowed: int | None) -> FittedCall | None:
        assert allowed is not None
        self.allowed.append(allowed)
        return self.chosen(allowed)


def made(
    provider: Provider, fit: Callable[[int], FittedCall | None] | None = None, *, trusted: bool = True
) -> tuple[Sender, Fitter]:
    usage = ModelUsage(COUNTER, "gpt-4o", trusted=trusted)
    fitter = Fitter(usage, fit)
    return Sender(provider, usage, fitter), fitter


async def ask(sender: Sender, fitted: FittedCall | None, stream: bool, asked: ClientCall | None = None) -> CreateResult:
    asked = asked or call()
    if not stream:
        return await sender.create(asked, fitted)
    result = [chunk async for chunk in sender.stream(asked, fitted)][-1]
    assert isinstance(result, CreateResult)
    return result


BOTH = pytest.mark.parametrize("stream", [False, True])


@BOTH
@pytest.mark.parametrize("refusals", [0, 1, 2, 3])
async def test_up_to_three_refusals_are_met_by_requests_that_are_each_smaller(refusals: int, stream: bool) -> None:
    provider = Provider(refusals)
    sender, fitter = made(provider)
    result = await ask(sender, fitter.of(HISTORY), stream)
    assert result.content == "all is well"
    sizes = [request.tokens for request in provider.requests]
    assert len(sizes) == refusals + 1
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)
    (record,) = sender.recent
    assert record.refused == refusals
    assert record.billed == sizes[-1]
    assert record.report.tokens_after == COUNTER.count_request(provider.requests[-1].messages)


@BOTH
async def test_the_fourth_refusal_is_raised(stream: bool) -> None:
    provider = Provider(9)
    sender, fitter = made(provider)
    with pytest.raises(RuntimeError, match=TOO_LONG):
        await ask(sender, fitter.of(HISTORY), stream)
    assert len(provider.requests) == 4
    assert [record.refused for record in sender.recent] == [4]
    assert len(fitter.allowed) == 3


@BOTH
@pytest.mark.parametrize("what", ["same", "larger", "nothing", "error"])
async def test_what_cannot_be_made_smaller_is_not_sent_again(what: str, stream: bool) -> None:
    provider = Provider(9)

    def fit(_: int) -> FittedCall | None:
        if what == "error":
            raise BudgetTooSmallError(10, 20)
        return {"same": fitter.of(HISTORY[1:]), "larger": fitter.of(HISTORY), "nothing": None}[what]

    sender, fitter = made(provider, fit)
    with pytest.raises(RuntimeError, match=TOO_LONG):
        await ask(sender, fitter.of(HISTORY[1:]), stream)
    assert len(provider.requests) == 1
    assert [record.refused for record in sender.recent] == [1]


@BOTH
async def test_a_single_message_less_is_smaller(stream: bool) -> None:
    provider = Provider(1)
    sender, fitter = made(provider, lambda _: fitter.of(HISTORY[1:]))
    await ask(sender, fitter.of(HISTORY), stream)
    assert [len(request.messages) for request in provider.requests] == [30, 29]


async def test_each_refusal_without_numbers_allows_less_than_the_one_before() -> None:
    provider = Provider(9)
    sender, fitter = made(provider)
    with pytest.raises(RuntimeError):
        await ask(sender, fitter.of(HISTORY), stream=False)
    first, second, third = fitter.allowed
    assert COUNTER.count_request(HISTORY) > first > second > third > 0


async def test_a_limit_that_did_not_do_once_is_not_believed_again() -> None:
    """The provider states a limit just below what it gets, and refuses that too."""
    limit = COUNTER.count_request(HISTORY) - 50
    provider = Provider(9, says=f"prompt is too long: maximum context length is {limit} tokens.")
    sender, fitter = made(provider)
    with pytest.raises(RuntimeError):
        await ask(sender, fitter.of(HISTORY), stream=False)
    assert fitter.allowed[1] < 0.75 * COUNTER.count_request(provider.requests[1].messages)


class Exact(Provider):
    """Says how long each request is, and that the model takes a little less."""

    def _answer(self, *args: Any, **kwargs: Any) -> CreateResult:
        tokens = COUNTER.count_request(args[0])
        self.says = f"prompt is too long: {tokens} tokens > {tokens - 9} maximum"
        return super()._answer(*args, **kwargs)


async def test_a_stated_limit_is_believed_once_and_no_more() -> None:
    """What is refused again though it kept to the limit is not counted as the provider says."""
    provider = Exact(9)
    sender, fitter = made(provider)
    with pytest.raises(RuntimeError):
        await ask(sender, fitter.of(HISTORY), stream=False)
    sent = [COUNTER.count_request(request.messages) for request in provider.requests]
    shares = [allowed / tokens for allowed, tokens in zip(fitter.allowed, sent, strict=False)]
    assert shares[0] > 0.9
    assert all(share < 0.75 for share in shares[1:])


@BOTH
@pytest.mark.parametrize("says", ["the server is on fire", "rate limit: too many tokens per minute"])
async def test_other_errors_are_raised_at_once(says: str, stream: bool) -> None:
    provider = Provider(9, says=says)
    sender, fitter = made(provider)
    with pytest.raises(RuntimeError, match=says):
        await ask(sender, fitter.of(HISTORY), stream)
    assert len(provider.requests) == 1
    assert [record.refused for record in sender.recent] == [0]
    assert fitter.allowed == []


async def test_a_stream_that_has_begun_is_not_begun_again() -> None:
    provider = Provider(1, begins=True)
    sender, fitter = made(provider)
    with pytest.raises(RuntimeError, match=TOO_LONG):
        await ask(sender, fitter.of(HISTORY), stream=True)
    assert len(provider.requests) == 1


@BOTH
async def test_what_could_not_be_fitted_is_sent_whole_and_once(stream: bool) -> None:
    provider = Provider(9)
    sender, fitter = made(provider)
    with pytest.raises(RuntimeError, match=TOO_LONG):
        await ask(sender, None, stream)
    assert [request.messages for request in provider.requests] == [HISTORY]
    assert not sender.recent
    assert fitter.allowed == []


@BOTH
@pytest.mark.parametrize("is_fitted", [True, False])
async def test_an_assistant_message_at_the_end_is_sent_as_a_copy(is_fitted: bool, stream: bool) -> None:
    """AutoGen's clients strip it in place."""
    messages = [HISTORY[0], AssistantMessage(content="It leaks ", source="coder")]
    provider = Provider(0)
    sender, fitter = made(provider)
    await ask(sender, fitter.of(messages) if is_fitted else None, stream, call(messages))
    first, last = provider.requests[0].messages
    assert first is messages[0]
    assert last == messages[1]
    assert last is not messages[1]


def test_of_records_that_are_equal_the_one_that_is_meant_is_amended() -> None:
    recent = RecentCalls()
    one, other = CallRecord("coder", REPORT), CallRecord("coder", REPORT)
    recent.extend([one, other])
    assert recent.amend(one, billed=7).billed == 7
    assert [record.billed for record in recent] == [7, None]
    gone = CallRecord("coder", REPORT)
    assert recent.amend(gone, billed=9).billed == 9
    assert [record.billed for record in recent] == [7, None]


def test_only_the_newest_calls_are_remembered() -> None:
    recent = RecentCalls()
    recent.extend(CallRecord(str(number), REPORT) for number in range(1_200))
    assert len(recent) == 1_000
    assert recent[-1].agent == "1199"


@pytest.mark.parametrize(
    ("callers", "budgets", "unused"),
    [
        ([], ["coder"], []),
        (["coder"], ["coder"], []),
        (["coder"], ["coder", "critic"], ["critic"]),
        (["coder"], [], []),
    ],
    ids=str,
)
def test_a_budget_that_nobody_has_is_named_once_somebody_called(
    callers: Sequence[str], budgets: Sequence[str], unused: Sequence[str], recwarn: pytest.WarningsRecorder
) -> None:
    sender, _ = made(Provider(0))
    for name in callers:
        sender.note(name, budgets)
    for _ in range(2):
        sender.warn_of_unused(budgets)
    assert len(recwarn) == bool(unused)
    assert all(name in str(recwarn[0].message) for name in unused)


def test_a_team_that_called_often_is_told_by_itself(recwarn: pytest.WarningsRecorder) -> None:
    sender, _ = made(Provider(0))
    sender.note("coder", ["coder", "critic"])
    assert not recwarn  # others may still be about to call
    for _ in range(200):
        sender.note("coder", ["coder", "critic"])
    (warning,) = recwarn
    assert "critic" in str(warning.message)
