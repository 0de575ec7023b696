"""What differs from the other lines of a text stays, though nobody asked for it."""

from __future__ import annotations

import random

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_core.models import LLMMessage, UserMessage
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.forms.logs import MIN_LINES, oddities
from autogen_ext_tokenctx.forms.outline import text_lines
from autogen_ext_tokenctx.messages.groups import texts

from ..support.hooked import MODES, Mode, client_for, context_for
from ..support.odd_texts import BUILD, CARRIERS, INSTRUCTIONS, LOGS, OddText, build_history, gcc_errors, pasted
from ..support.strict_client import StrictClient, call

MANAGER = ContextManager()
"""One for all: a text is read once for all budgets."""


async def shown(history: list[LLMMessage], budget: int) -> str:
    """All text of a view."""
    return "\n".join(text for message in (await MANAGER.fit(history, budget)).messages for text in texts(message))


@pytest.mark.parametrize("lines", [130, 500])
@pytest.mark.parametrize("kind", LOGS)
async def test_the_one_failure_in_a_uniform_log_stays(kind: str, lines: int) -> None:
    history = build_history(LOGS[kind].text(lines))
    for budget in (1_500, 8_000):
        assert LOGS[kind].needle in await shown(history, budget)


async def test_each_of_ten_compiler_errors_stays() -> None:
    errors = gcc_errors(10)
    rows = [LOGS["gcc"].usual(number) for number in range(700)]
    for number, error in enumerate(errors):
        rows.insert(50 + 65 * number, error)
    view = await shown(build_history("\n".join(rows)), 1_500)
    assert [error for error in errors if error.split("\n")[0] in view] == errors


async def test_the_one_failure_in_a_log_that_is_read_in_blocks_stays() -> None:
    odd = LOGS["tsc"]
    view = await shown(build_history(odd.text(2_500)), 1_500)
    assert odd.needle in view


@pytest.mark.parametrize("carrier", CARRIERS)
async def test_an_instruction_in_the_middle_of_what_was_pasted_stays(carrier: str) -> None:
    for instruction in INSTRUCTIONS[:2]:
        history: list[LLMMessage] = [UserMessage(content=pasted(carrier, instruction), source="user")]
        assert instruction in await shown(history, 1_500)


@pytest.mark.parametrize("mode", MODES)
async def test_an_agent_reads_the_failure_of_the_build_it_ran(mode: Mode) -> None:
    odd = LOGS["http 500"]

    async def run_build() -> str:
        """Run the build."""
        return odd.text(500)

    inner = StrictClient([[call("run_build", "1")], "I have seen it."], window=3_000)
    agent = AssistantAgent(
        "coder",
        client_for(mode, inner, 3_000),
        tools=[run_build],
        model_context=context_for(mode, 3_000),
        reflect_on_tool_use=True,
    )
    await agent.run(task=BUILD)
    assert odd.needle in "\n".join(text for message in inner.requests[-1].messages for text in texts(message))


def test_random_numbers_have_no_odd_one() -> None:
    draw = random.Random(11)
    assert not oddities([f"{draw.randrange(300)},{draw.randrange(60)},{draw.random():.3f}" for _ in range(1_400)])


def test_few_lines_have_no_odd_one() -> None:
    rows = ["ok"] * (MIN_LINES - 2) + ["failed"]
    assert not oddities(rows)
    assert set(oddities([*rows, "ok"])) == {len(rows) - 1}


def test_what_many_lines_say_is_not_odd() -> None:
    rows = [f"job {number} {'failed' if number % 10 == 0 else 'done'}" for number in range(200)]
    assert not oddities(rows)


def test_a_line_of_several_rows_counts_as_one() -> None:
    rows = [f"@cached\ndef f{number}():" for number in range(40)]
    rows[30] = "What does the last one return?"
    assert set(oddities(rows)) == {30}


def test_lines_of_all_kinds_have_no_odd_one() -> None:
    kinds = [
        "{}:",
        "- {}",
        "({})",
        "{} {}",
        "<{}>",
        "{}={}",
        '"{}"',
        "[{}] {}",
        "{}; {}",
        "// {}",
        "{}? {}!",
        "* {}: {}",
    ]
    rows = [kinds[number % 12].format(*["ab1" * (number % 3 + 1), "x y" * (number % 7)]) for number in range(48)]
    assert not oddities([row + "." * (number % 5) for number, row in enumerate(rows)])


@given(st.lists(st.sampled_from(["ok 1", "ok 2", "not ok 3", "  # 四", "Привет", "", "a\nb", "{}"]), max_size=60))
def test_odd_lines_are_fewer_than_usual_ones(rows: list[str]) -> None:
    found = oddities(rows)
    assert all(bits > 1.0 and rows.count(rows[number]) * 2 < len(rows) for number, bits in found.items())


def test_the_more_alike_the_others_are_the_odder_is_the_line() -> None:
    surprise = [max(oddities(LOGS["npm"].text(lines).split("\n")).values()) for lines in (50, 400, 1_400)]
    assert surprise == sorted(surprise)
    assert surprise[0] < surprise[-1]


def test_the_position_of_the_odd_line_does_not_matter() -> None:
    odd = OddText(LOGS["gcc"].usual, ("ld: cannot find -lz",))
    for share in (0.0, 0.3, 1.0):
        rows = odd.text(200, share).split("\n")
        assert [rows[number] for number in oddities(rows)] == [odd.needle]


LISTS = {
    "commas": ",".join(f"item_{number}" for number in range(1_400)),
    "commas and blanks": ", ".join(f"Entry {number} of the list" for number in range(1_400)),
    "semicolons": ";".join(f"{number}={number * 7}" for number in range(1_400)),
    "blanks": " ".join(f"word{number}" for number in range(1_400)),
    "Chinese": "，".join(f"项目{number}" for number in range(1_400)),
    "bars": "|".join(f"{number}.{number * 3}" for number in range(1_400)),
}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("budget", [600, 1_000])
async def test_one_line_of_many_entries_keeps_its_beginning_and_its_end(kind: str, budget: int) -> None:
    text = LISTS[kind]
    newest: list[LLMMessage] = [UserMessage(content=text, source="user")]
    for history in (newest, build_history(text, "What is in the list?")):
        view = await shown(history, budget)
        assert text[:30] in view
        assert text[-30:] in view


def test_a_long_line_is_cut_between_its_entries() -> None:
    for text in LISTS.values():
        pieces = [line.text for line in text_lines(text)]
        assert "".join(pieces) == text
        assert all(piece[-1] in " ,;|，" for piece in pieces[:-1])
