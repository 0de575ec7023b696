"""Files that people have: what a model was sent is read whole, or an error names what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from autogen_agentchat.base import TaskResult
from autogen_agentchat.messages import TextMessage
from autogen_core import FunctionCall, Image
from autogen_core.models import AssistantMessage, FunctionExecutionResultMessage, SystemMessage, UserMessage
from PIL import Image as PILImage

pytest.importorskip("typer")

from typer.testing import CliRunner, Result

from autogen_ext_tokenctx.cli.app import app
from autogen_ext_tokenctx.cli.saved_messages import BadFileError
from autogen_ext_tokenctx.cli.saved_states import read_state
from autogen_ext_tokenctx.messages.groups import split

PIXEL = Image.from_pil(PILImage.new("RGB", (4, 2))).to_base64()

ANTHROPIC: list[dict[str, Any]] = [
    {"role": "user", "content": [{"type": "text", "text": "What is in the harbour?"}]},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "A tool knows.", "signature": "x"},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {"place": "harbour"}},
            {"type": "tool_use", "id": "t2", "name": "ask", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": "two boats"},
            {
                "type": "tool_result",
                "tool_use_id": "t2",
                "is_error": True,
                "content": [
                    {"type": "text", "text": "nobody"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                ],
            },
            {"type": "text", "text": "Go on."},
        ],
    },
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "Done."}, {"type": "text", "text": "Boats."}]},
]

AUTOGEN_02: list[dict[str, Any]] = [
    {"role": "user", "name": "user_proxy", "content": "Weather in Oslo and Bergen?"},
    {
        "role": "assistant",
        "name": "coder",
        "content": "",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}},
            {"id": "b", "type": "function", "function": {"name": "tides", "arguments": '{"city": "Bergen"}'}},
        ],
    },
    {
        "role": "tool",
        "name": "user_proxy",
        "content": "rain\n\nhigh",
        "tool_responses": [
            {"tool_call_id": "a", "role": "tool", "content": "rain"},
            {"tool_call_id": "b", "role": "tool", "content": "high"},
        ],
    },
    {"role": "assistant", "content": None, "function_call": {"name": "wind", "arguments": '{"city": "Oslo"}'}},
    {"role": "function", "name": "wind", "content": "strong"},
    {"role": "assistant", "content": None, "function_call": {"name": "wind", "arguments": '{"city": "Bergen"}'}},
    {"role": "function", "name": "wind", "content": "weak"},
]

TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": "look",
            "description": "Looks at a place. " * 20,
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
        },
    }
]
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day."}]


def run(file: Path, *command: str) -> Result:
    return CliRunner().invoke(app, [command[0], str(file), *command[1:]])


def messages_of(value: object) -> list[Any]:
    (history,) = read_state(json.loads(json.dumps(value))).histories
    return list(history.messages)


def test_blocks_of_anthropic_are_read_whole() -> None:
    read = messages_of(ANTHROPIC)
    kinds = [UserMessage, AssistantMessage, FunctionExecutionResultMessage, UserMessage, AssistantMessage]
    assert [type(message) for message in read] == kinds
    assert read[1].content == [
        FunctionCall(id="t1", name="look", arguments='{"place": "harbour"}'),
        FunctionCall(id="t2", name="ask", arguments="{}"),
    ]
    assert read[1].thought == "A tool knows.\nI look."
    results = [(result.name, result.content, result.is_error) for result in read[2].content]
    assert results == [("look", "two boats", False), ("ask", "nobody", True)]
    assert [type(part) for part in read[3].content] == [Image, str]
    assert (read[4].content, read[4].thought) == ("Boats.", "Done.")
    assert not any(group.repaired for group in split(read))


def test_calls_and_results_of_autogen_02_are_paired() -> None:
    read = messages_of(AUTOGEN_02)
    assert not any(group.repaired for group in split(read))
    results = [r for message in read if isinstance(message, FunctionExecutionResultMessage) for r in message.content]
    said = [(result.name, result.content) for result in results]
    assert said == [("weather", "rain"), ("tides", "high"), ("wind", "strong"), ("wind", "weak")]
    assert (read[0].source, read[1].source) == ("user_proxy", "coder")


@pytest.mark.parametrize(
    ("entry", "content"),
    [
        ({"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}, ["Hi"]),
        ({"role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}, "Hi"),
        ({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi"}]}, "Hi"),
        ({"role": "user", "content": ["Hi", {"type": "text", "text": "there"}]}, ["Hi", "there"]),
        ({"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}, ["[image x]"]),
        ({"role": "system", "content": [{"type": "text", "text": "Hi"}]}, "Hi"),
    ],
)
def test_text_parts_of_any_vendor_are_read(entry: dict[str, Any], content: object) -> None:
    assert messages_of([entry])[0].content == content


@pytest.mark.parametrize("content", ["Hi", [{"type": "text", "text": "Hi"}], [{"type": "tool_result", "content": "x"}]])
def test_the_name_of_a_user_is_kept(content: object) -> None:
    read = messages_of([{"role": "user", "name": "ann", "content": content}])
    assert all(message.source == "ann" for message in read if isinstance(message, UserMessage))
    assert isinstance(read[0], UserMessage) != isinstance(read[0], FunctionExecutionResultMessage)


UNREAD: dict[str, tuple[dict[str, Any], str]] = {
    "sound": ({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}, "input_audio"),
    "a refusal": ({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, "refusal"),
    "a refusal beside": ({"role": "assistant", "content": None, "refusal": "No."}, "refusal"),
    "a file": ({"role": "user", "content": [{"type": "file", "file": {"file_id": "x"}}]}, "file"),
    "parts": ({"role": "user", "parts": [{"text": "Hi"}]}, "parts"),
    "parts of a model": ({"role": "model", "parts": [{"text": "Hi"}]}, "parts"),
    "a document": ({"role": "user", "content": [{"type": "document", "source": {}}]}, "document"),
    "a part of no type": ({"role": "user", "content": [{"words": "Hi"}]}, "part"),
    "a text that is none": ({"role": "user", "content": [{"type": "text", "text": {"value": "Hi"}}]}, "text"),
    "no content": ({"role": "user", "text": "Hi"}, "content"),
    "hidden thoughts": ({"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]}, "redacted"),
    "a result with sound": (
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "audio", "data": "x"}]},
        "audio",
    ),
}


@pytest.mark.parametrize(("entry", "named"), UNREAD.values(), ids=UNREAD.keys())
def test_what_cannot_be_read_is_an_error_that_names_it(entry: dict[str, Any], named: str) -> None:
    with pytest.raises(BadFileError, match=named) as caught:
        read_state([*HELLO, entry])
    assert "message 2" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "tools",
    [
        {"tools": TOOLS},
        {"tools": [TOOLS[0]["function"]]},
        {"functions": [TOOLS[0]["function"]]},
        {"tools": [{"name": "look", "description": "Looks. " * 60, "input_schema": {"type": "object"}}]},
    ],
    ids=["OpenAI", "flat", "functions", "Anthropic"],
)
def test_tools_in_the_body_of_a_request_are_counted(tools: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    body = {"model": "gpt-4o", "messages": HELLO}
    file.write_text(json.dumps(body))
    without = json.loads(run(file, "count", "--json").stdout)["tokens"]
    file.write_text(json.dumps({**body, **tools}))
    assert json.loads(run(file, "count", "--json").stdout)["tokens"] > without + 60
    assert json.loads(run(file, "inspect", "--budget", "900", "--json").stdout)["agents"][0]["tokens_after"] > 60


@pytest.mark.parametrize("tool", [{"type": "web_search_20250305", "name": "web_search"}, {"type": "web_search"}, 7])
def test_tools_that_cannot_be_counted_are_named(tool: object) -> None:
    with pytest.raises(BadFileError, match="take it out"):
        read_state({"messages": HELLO, "tools": [tool]})


def test_the_system_text_of_a_body_is_read() -> None:
    for system in ("Be brief.", [{"type": "text", "text": "Be brief."}]):
        assert messages_of({"system": system, "messages": HELLO})[0] == SystemMessage(content="Be brief.")


SAID = [TextMessage(content="Find the leak.", source="user"), TextMessage(content="Found.", source="ann")]
THREADS: dict[str, object] = {
    "a result": json.loads(TaskResult(messages=SAID, stop_reason="done").model_dump_json()),
    "a list": [json.loads(message.model_dump_json()) for message in SAID],
    "one message": [json.loads(SAID[0].model_dump_json())],
    "a manager's thread": {"message_thread": [json.loads(message.model_dump_json()) for message in SAID]},
}


@pytest.mark.parametrize("value", THREADS.values(), ids=THREADS.keys())
def test_what_agents_said_to_each_other_is_called_so(value: object, tmp_path: Path) -> None:
    file = tmp_path / "said.json"
    file.write_text(json.dumps(value))
    counted = run(file, "count")
    assert counted.exit_code == 0
    assert "thread" in counted.output
    replayed = run(file, "replay", "--budgets", "500")
    assert replayed.exit_code == 2
    assert "save_state" in replayed.stderr


REMEDIES: dict[str, tuple[str, str]] = {
    "a printed list": (str(HELLO), "json.dump"),
    "a printed state": (str({"type": "TeamState", "agent_states": {}}), "json.dump"),
    "a printed message": (repr(SAID[0]), "json.dump"),
    "a printed list of messages": (repr(SAID), "json.dump"),
    "an object around messages": (json.dumps({"history": HELLO}), "'history'"),
    "lists by agent": (json.dumps({"ann": HELLO, "bob": HELLO}), "'ann', 'bob'"),
    "an object around messages between agents": (json.dumps({"log": THREADS["a list"]}), "'log'"),
}


@pytest.mark.parametrize(("text", "remedy"), REMEDIES.values(), ids=REMEDIES.keys())
def test_remedies_fit_the_file(text: str, remedy: str, tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    result = run(file, "inspect", "--budget", "500")
    assert result.exit_code == 2
    assert remedy in result.stderr


@pytest.mark.parametrize("kind", ["roles", "autogen", "blocks", "0.2"])
@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".txt"])
def test_a_message_on_each_line_is_read(kind: str, suffix: str, tmp_path: Path) -> None:
    autogen = [UserMessage(content="A\u2028B", source="ann").model_dump()] * 3
    values: list[Any] = {"roles": HELLO, "autogen": autogen, "blocks": ANTHROPIC, "0.2": AUTOGEN_02}[kind]
    file = tmp_path / f"messages{suffix}"
    file.write_text("\n".join(json.dumps(value, ensure_ascii=False) for value in values), "utf-8")
    (agent,) = json.loads(run(file, "inspect", "--budget", "2000", "--json").stdout)["agents"]
    assert agent["messages"] == len(messages_of(values))
    assert run(file, "replay", "--budgets", "500").exit_code == 0
