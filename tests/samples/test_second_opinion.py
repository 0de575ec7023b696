"""The sample that asks a model about a view: what the model is sent, and what is read from its answer."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
from autogen_core.model_context import UnboundedChatCompletionContext
from autogen_core.models import LLMMessage, UserMessage

from tests.support.histories import conversation
from tests.support.strict_client import StrictClient

SAMPLE = runpy.run_path(str(Path(__file__).parents[2] / "samples" / "second_opinion.py"))
ANSWER = '{"reason": "The number of the valve is missing.", "score": 0.4}'


def user(text: str) -> LLMMessage:
    return UserMessage(content=text, source="user")


@pytest.mark.parametrize(
    "answer", [ANSWER, f"Let me think.\n```json\n{ANSWER}\n```"], ids=["bare", "fenced, after a thought"]
)
async def test_the_model_sees_the_view_and_what_is_missing_and_its_opinion_is_read(answer: str) -> None:
    client = StrictClient([answer])
    history = [user("Find the leak."), user("Valve 4711 leaks."), user("Which valve leaks?")]
    found = await SAMPLE["opinion"](client, history, [history[0], history[2]])
    assert (found.score, found.reason) == (0.4, "The number of the valve is missing.")
    (request,) = client.requests
    view, missing = str(request.messages[1].content).split("</view>")
    assert "Which valve leaks?" in view
    assert "4711" not in view
    assert "[user] Valve 4711 leaks." in missing
    assert "Find the leak." not in missing


@pytest.mark.parametrize("answer", ["It is fine.", '{"score": 0.5}', "} {"])
async def test_an_answer_without_an_opinion_is_a_value_error(answer: str) -> None:
    with pytest.raises(ValueError, match="Opinion"):
        await SAMPLE["opinion"](StrictClient([answer]), [user("Hello")], [])


@pytest.mark.parametrize("of_agent", [False, True], ids=["context", "agent"])
async def test_a_saved_state_is_fitted_and_both_scores_are_printed(
    of_agent: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = dict(await UnboundedChatCompletionContext(initial_messages=conversation(30)).save_state())
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"llm_context": saved} if of_agent else saved), encoding="utf-8")
    await SAMPLE["main"](StrictClient([ANSWER]), SAMPLE["saved_history"](state), 1_000)
    assert "0.40 in the model's opinion: The number of the valve is missing." in capsys.readouterr().out
