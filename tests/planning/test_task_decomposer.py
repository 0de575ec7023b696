"""Plans: what a model answers, what becomes of bad answers, budgets that add up, and plans that run as teams."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent
from autogen_core.models import CreateResult, LLMMessage, ModelInfo, SystemMessage
from autogen_core.tools import Tool, ToolSchema
from hypothesis import given
from hypothesis import strategies as st

from autogen_ext_tokenctx.context.manager import ContextManager
from autogen_ext_tokenctx.errors import BudgetTooSmallError
from autogen_ext_tokenctx.hooks.chat_context import TokenBudgetChatCompletionContext
from autogen_ext_tokenctx.planning.plan import ExecutionPlan, PlanStep
from autogen_ext_tokenctx.planning.task_decomposer import PlanDraft, TaskDecomposer
from autogen_ext_tokenctx.tokens.task import TaskDefinition

from ..support.histories import prose
from ..support.strict_client import Content, Reply, StrictClient, call

TASK = TaskDefinition(description="Build a shop", requirements=("It has a basket.", "It takes cards.", "It is tested."))
AVAILABLE = 3_000


class OtherModel(StrictClient):
    """A client whose model has other abilities."""

    def __init__(self, script: Sequence[Reply], **abilities: bool) -> None:
        super().__init__(script)
        self._abilities = abilities

    @property
    def model_info(self) -> ModelInfo:
        info: Any = {**super().model_info, **self._abilities}
        return info


class HangingModel(StrictClient):
    """A client that never answers."""

    async def create(self, *args: Any, **kwargs: Any) -> CreateResult:
        await asyncio.Event().wait()
        raise AssertionError


def step(name: str, *needs: str, **other: Any) -> dict[str, Any]:
    """A step as a model gives it."""
    return {"id": name, "title": f"Do {name}", "instruction": f"Do what {name} says.", "depends_on": needs, **other}


def detailed(name: str, *needs: str, **other: Any) -> dict[str, Any]:
    """A detailed step as a model gives it."""
    more = {"description": f"About {name}.", "acceptance": [f"{name} works"], "expected_output": f"The {name}."}
    return step(name, *needs, **more, **other)


def answer(*steps: dict[str, Any]) -> str:
    """A plan as a model gives it."""
    return json.dumps({"steps": steps})


GOOD = answer(step("build"), step("test", "build", weight=2))


def plan_of(*steps: PlanStep, token_budget: int) -> ExecutionPlan:
    return ExecutionPlan(task=TASK, steps=steps, token_budget=token_budget, source="model")


def given_step(name: str, *needs: str, tokens: int = 500) -> PlanStep:
    return PlanStep(id=name, title=name, instruction=f"Do {name}.", depends_on=needs, token_budget=tokens)


def is_fallback(plan: ExecutionPlan) -> bool:
    """Whether a plan is the one made of the requirements of `TASK`."""
    return (
        plan.source == "fallback"
        and [own.instruction for own in plan.steps] == list(TASK.requirements)
        and [own.depends_on for own in plan.steps] == [(), ("step_1",), ("step_2",)]
        and sum(own.token_budget for own in plan.steps) == plan.token_budget
    )


async def test_a_plan_of_the_model() -> None:
    client = StrictClient([GOOD])
    plan = await TaskDecomposer(client).decompose_task(TASK, AVAILABLE)
    build, test = plan.steps
    assert (plan.source, plan.detailed, plan.task, plan.token_budget) == ("model", False, TASK, AVAILABLE)
    assert (test.title, test.instruction, test.depends_on) == ("Do test", "Do what test says.", ("build",))
    assert build.token_budget + test.token_budget == AVAILABLE
    assert test.token_budget > build.token_budget
    assert len(client.requests) == 1
    assert ExecutionPlan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize(("available", "expected"), [(3_999, False), (4_000, True)])
async def test_how_much_is_asked_for_goes_by_the_tokens(available: int, expected: bool) -> None:
    client = StrictClient([answer(detailed("build"))])
    plan = await TaskDecomposer(client).decompose_task(TASK, available)
    asked = str(client.requests[0].messages[0].content)
    assert ("acceptance" in asked) is plan.detailed is expected
    own = plan.steps[0]
    said = ("About build.", ("build works",), "The build.") if expected else ("", (), "")
    assert (own.description, own.acceptance, own.expected_output) == said
    assert all(part in own.text() for part in said if isinstance(part, str))


async def test_a_string_is_a_task_and_the_budget_is_that_of_its_complexity() -> None:
    manager = ContextManager()
    decomposer = TaskDecomposer(StrictClient([GOOD]), manager=manager)
    plans = [await decomposer.decompose_task("Fix the typo in README.md") for _ in range(2)]
    assert plans[0].task == TaskDefinition(description="Fix the typo in README.md")
    # planning itself does not change what the manager takes for the budget of a call
    assert [plan.token_budget for plan in plans] == [await manager.get_token_budget("Fix the typo in README.md")] * 2


@pytest.mark.parametrize(
    ("abilities", "json_output"),
    [
        ({"structured_output": True, "json_output": True}, PlanDraft),
        ({"structured_output": False, "json_output": True}, True),
        ({"structured_output": False, "json_output": False}, None),
    ],
)
async def test_structured_output_as_far_as_the_model_has_it(abilities: dict[str, bool], json_output: Any) -> None:
    client = OtherModel([GOOD], **abilities)
    plan = await TaskDecomposer(client).decompose_task(TASK, AVAILABLE)
    request = client.requests[0]
    assert plan.source == "model"
    assert request.arguments["json_output"] is json_output
    assert ("in this form" in str(request.messages[0].content)) is not (json_output is PlanDraft)


def test_the_schema_has_nothing_that_strict_providers_refuse() -> None:
    schema = PlanDraft.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        assert set(part["required"]) == set(part["properties"])
    written = json.dumps(schema)
    assert not [word for word in ("default", "minLength", "minItems", "exclusiveMinimum") if f'"{word}"' in written]


@pytest.mark.parametrize(
    "text",
    [
        f"Here is the plan:\n```json\n{GOOD}\n```\nGood luck {{}}!",
        f'<think>{{"steps": []}} is too few, {{so}} more</think>{GOOD}',
        f'{{"plan": {GOOD}}}',
        answer(
            {"id": 1, "title": " Build ", "instruction": "Build it.", "weight": None},
            {"id": 2, "title": "Test", "instruction": "Test it.", "depends_on": [1]},
        ),
    ],
    ids=["fenced", "after thoughts", "wrapped", "numbers and gaps"],
)
async def test_plans_are_found_in_what_models_write(text: str) -> None:
    client = OtherModel([text], structured_output=False, json_output=False)
    plan = await TaskDecomposer(client).decompose_task(TASK, AVAILABLE)
    assert plan.source == "model"
    assert len(plan.steps) == 2
    assert plan.steps[1].depends_on == (plan.steps[0].id,)
    assert len(client.requests) == 1


BAD_ANSWERS = {
    "cycle": (answer(step("a", "b"), step("b", "a"), step("c")), "in a circle: a, b"),
    "itself": (answer(step("a", "a")), "in a circle: a"),
    "unknown dependency": (answer(step("a", "nobody")), "no step: nobody"),
    "duplicate id": (answer(step("a"), step("a")), "unique"),
    "same agent name": (answer(step("a-b"), step("a b")), "differ"),
    "no steps": (answer(), "0 steps"),
    "too many steps": (answer(*(step(f"s{n}") for n in range(13))), "13 steps"),
    "blank title": (answer(step("a", title=" ")), "steps.0.title"),
    "blank id": (answer(step("")), "steps.0.id"),
    "no instruction": (answer({"id": "a", "title": "A"}), "steps.0.instruction"),
    "weight 0": (answer(step("a", weight=0)), "steps.0.weight"),
    "weight without end": (answer(step("a", weight=float("inf"))), "steps.0.weight"),
    "steps no list": ('{"steps": "build, test"}', "steps"),
    "step no object": ('{"steps": ["build"]}', "steps.0"),
    "cut off": (GOOD[:-20], "no JSON object"),
    "not JSON": ("First build it, then {test} it.", "no JSON object"),
    "very deep": ('{"a":' * 5_000, "no JSON object"),
    "too long for the budget": (answer(step("a", instruction=prose(1, 3_000))), "tokens"),
}
bad_answers = pytest.mark.parametrize(("bad", "problem"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)


@bad_answers
async def test_a_bad_answer_is_sent_back_once_and_may_be_repaired(
    bad: str, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = StrictClient([bad, GOOD])
    plan = await TaskDecomposer(client).decompose_task(TASK, AVAILABLE)
    assert plan.source == "model"
    assert [own.id for own in plan.steps] == ["build", "test"]
    assert problem in str(client.requests[1].messages[-1].content)
    assert all(request.tokens <= AVAILABLE for request in client.requests)
    assert not caplog.records


@bad_answers
async def test_two_bad_answers_end_in_the_fallback(bad: str, problem: str, caplog: pytest.LogCaptureFixture) -> None:
    client = StrictClient([bad])
    plan = await TaskDecomposer(client).decompose_task(TASK, AVAILABLE)
    assert is_fallback(plan)
    assert len(client.requests) == 2
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert problem in caplog.text


@pytest.mark.parametrize(
    ("bad", "told"), [("", "empty"), (" \n", "empty"), ([call("plan", "c1")], "called tools"), ([], "called tools")]
)
async def test_a_model_that_does_not_answer_in_words_is_told_so_once(bad: Content, told: str) -> None:
    client = StrictClient([bad, GOOD])
    plan = await TaskDecomposer(client).decompose_task(TASK, AVAILABLE)
    assert plan.source == "model"
    said = client.requests[1].messages
    assert told in str(said[-1].content)
    assert all(message.content for message in said)  # providers refuse messages without content


async def test_details_that_a_model_leaves_out_are_no_reason_to_ask_again() -> None:
    client = StrictClient([answer(step("build", description=None), detailed("test", "build"))])
    plan = await TaskDecomposer(client).decompose_task(TASK, 8_000)
    assert (plan.source, plan.detailed, len(client.requests)) == ("model", True, 1)
    assert [own.expected_output for own in plan.steps] == ["", "The test."]


def raising(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> Content:
    raise ConnectionError("the provider is away")


@pytest.mark.parametrize(
    ("client", "why"),
    [
        (StrictClient([raising]), "the provider is away"),
        (StrictClient([""]), "empty"),
        (StrictClient([" \n"]), "empty"),
        (StrictClient([[call("plan", "c1")]]), "tools"),
        (StrictClient([[]]), "tools"),
        (HangingModel(), "Timeout"),
        (StrictClient(["no plan", raising]), "the provider is away"),
    ],
    ids=["raises", "empty", "blank", "tool call", "no calls", "hangs", "raises at the repair"],
)
async def test_a_model_that_fails_leads_to_the_fallback(
    client: StrictClient, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    plan = await TaskDecomposer(client, timeout=0.05).decompose_task(TASK, AVAILABLE)
    assert is_fallback(plan)
    assert len(caplog.records) == 1
    assert why in caplog.text


async def test_cancelling_passes_through() -> None:
    running = asyncio.create_task(TaskDecomposer(HangingModel()).decompose_task(TASK, AVAILABLE))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_fallback_without_requirements_is_one_step() -> None:
    plan = await TaskDecomposer(StrictClient([""])).decompose_task("Build a shop", AVAILABLE)
    assert [(own.instruction, own.token_budget) for own in plan.steps] == [("Build a shop", AVAILABLE)]
    assert not plan.detailed


@pytest.mark.parametrize(("available", "steps"), [(360, 1), (1_500, 4), (100_000, 5)])
async def test_a_fallback_with_many_requirements_joins_neighbours(available: int, steps: int) -> None:
    wanted = [f"Page {number} is there." for number in range(9)]
    task = TaskDefinition(description="Build a shop", requirements=(" ", *wanted))
    plan = await TaskDecomposer(StrictClient([""]), max_steps=5).decompose_task(task, available)
    assert len(plan.steps) == steps
    assert "\n".join(own.instruction for own in plan.steps).split("\n") == wanted or available == 360


async def test_a_giant_task_fits_request_and_plan() -> None:
    task = TaskDefinition(description=prose(1, 6_000), requirements=(prose(2, 1_500), prose(3, 1_500)))
    client = StrictClient(["no plan"], window=1_000)
    plan = await TaskDecomposer(client).decompose_task(task, 1_000)
    schema = client.counter.count_text(json.dumps(PlanDraft.model_json_schema()))
    assert len(client.requests) == 2
    assert all(request.tokens <= 1_000 - schema for request in client.requests)
    assert all(request.tokens > 500 for request in client.requests[:1])
    assert len(plan.steps) == 2
    assert sum(own.token_budget for own in plan.steps) == 1_000
    assert all(client.counter.count_text(own.text()) <= own.token_budget - 300 for own in plan.steps)


@pytest.mark.parametrize("available", [-5, 0, 359])
async def test_a_budget_for_no_step_is_refused_before_the_model_is_asked(available: int) -> None:
    client = StrictClient([GOOD])
    with pytest.raises(BudgetTooSmallError) as caught:
        await TaskDecomposer(client).decompose_task(TASK, available)
    assert caught.value.needed == 360
    assert "give a positive number" in str(caught.value) or "Raise the budget to 360" in str(caught.value)
    assert not client.requests


async def test_what_the_caller_gets_wrong_is_told() -> None:
    with pytest.raises(ValueError, match="words"):
        await TaskDecomposer(StrictClient()).decompose_task(" ", AVAILABLE)
    with pytest.raises(ValueError, match="positive"):
        TaskDecomposer(StrictClient(), max_steps=0)
    for timeout in (0.0, float("nan")):
        with pytest.raises(ValueError, match="positive"):
            TaskDecomposer(StrictClient(), timeout=timeout)


@given(
    weights=st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=12),
    available=st.integers(360, 60_000),
    words=st.integers(1, 60),
)
def test_budgets_add_up_and_every_step_has_its_minimum(weights: list[float], available: int, words: int) -> None:
    steps = [detailed(f"s{n}", weight=weight, instruction="word " * (words + n)) for n, weight in enumerate(weights)]
    client = StrictClient([answer(*steps)])
    plan = asyncio.run(TaskDecomposer(client).decompose_task(TASK, available))
    assert sum(own.token_budget for own in plan.steps) == plan.token_budget == available
    assert all(own.token_budget >= 300 + client.counter.count_text(own.text()) for own in plan.steps)
    assert all(request.tokens <= available for request in client.requests)
    if plan.source == "model":
        beside = {own.id: own.token_budget - client.counter.count_text(own.text()) for own in plan.steps}
        by_weight = sorted(range(len(weights)), key=lambda n: weights[n])
        given_tokens = [beside[f"s{n}"] for n in by_weight]
        assert all(less <= more + 2 for less, more in pairwise(given_tokens))


@given(data=st.data(), count=st.integers(1, 9))
def test_order_puts_every_step_after_those_it_needs(data: st.DataObject, count: int) -> None:
    earlier = [data.draw(st.sets(st.integers(0, n - 1)) if n else st.just(set[int]())) for n in range(count)]
    steps = [given_step(f"s{n}", *(f"s{m}" for m in sorted(needs))) for n, needs in enumerate(earlier)]
    mixed = data.draw(st.permutations(steps))
    order = [own.id for own in plan_of(*mixed, token_budget=500 * count).order()]
    assert sorted(order) == sorted(own.id for own in steps)
    assert all(order.index(need) < order.index(own.id) for own in steps for need in own.depends_on)
    assert plan_of(*steps, token_budget=500 * count).order() == steps


@pytest.mark.parametrize(
    ("steps", "budget", "why"),
    [
        ([], 0, "steps"),
        ([given_step("a"), given_step("a")], 1_000, "unique"),
        ([given_step("a", "b")], 500, "no step: b"),
        ([given_step("a", "b"), given_step("b", "a")], 1_000, "circle"),
        ([given_step("a")], 501, "add up to 500"),
    ],
)
def test_a_plan_made_by_hand_is_checked(steps: list[PlanStep], budget: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        plan_of(*steps, token_budget=budget)


@pytest.mark.parametrize(
    ("name", "agent"),
    [("step_1", "step_1"), ("1", "step_1"), ("user", "step_user"), ("a-b c", "step_a_b_c"), ("größe", "step_gr__e")],
)
def test_agents_names_are_identifiers(name: str, agent: str) -> None:
    assert given_step(name).agent_name == agent
    assert given_step(name * 50).agent_name.isidentifier()
    assert len(given_step(name * 50).agent_name) <= 64


class Crew:
    """Makes an agent a step, each with a client whose window is the step's budget."""

    def __init__(self) -> None:
        self.clients: dict[str, StrictClient] = {}
        self.said: list[str] = []

    def __call__(self, own: PlanStep, context: TokenBudgetChatCompletionContext) -> ChatAgent:
        def reply(messages: Sequence[LLMMessage], tools: Sequence[Tool | ToolSchema]) -> str:
            self.said.append(own.id)
            return f"{own.id} is done. {prose(len(self.said), 60)}"

        self.clients[own.id] = StrictClient([reply], window=own.token_budget)
        return AssistantAgent(own.agent_name, self.clients[own.id], model_context=context, system_message="Be brief.")


async def diamond() -> ExecutionPlan:
    """A plan of a model: two steps at once, then one that needs both, and one on its own."""
    steps = (
        detailed("join", "left", "right", "right", instruction=prose(5, 150)),
        detailed("start"),
        detailed("left", "start", weight=3),
        detailed("right", "start"),
        detailed("user"),
    )
    plan = await TaskDecomposer(StrictClient([answer(*steps)])).decompose_task(TASK, 8_000)
    assert plan.source == "model"
    return plan


TEAM_TASK = f"Build a shop. {prose(9, 1_500)}"


async def test_a_plan_runs_as_a_team() -> None:
    plan, crew = await diamond(), Crew()
    result = await plan.as_team(crew).run(task=TEAM_TASK)
    assert sorted(crew.said) == ["join", "left", "right", "start", "user"]
    assert all(crew.said.index("start") < crew.said.index(side) < crew.said.index("join") for side in ("left", "right"))
    assert "complete" in str(result.stop_reason)
    for own in plan.steps:
        request = crew.clients[own.id].requests[0]
        assert request.tokens <= own.token_budget
        assert str(request.messages[1].content) == own.text()
        assert any("Build a shop." in text for text in request.json)
    joined = "".join(crew.clients["join"].requests[0].json)
    assert "left is done." in joined
    assert "right is done." in joined


async def test_a_team_can_be_reset_and_run_again() -> None:
    plan, crew = await diamond(), Crew()
    team = plan.as_team(crew)
    await team.run(task=TEAM_TASK)
    await team.reset()
    await team.run(task=TEAM_TASK)
    assert len(crew.said) == 10


async def test_a_plan_runs_in_a_row() -> None:
    plan, crew = await diamond(), Crew()
    await plan.as_round_robin(crew).run(task=TEAM_TASK)
    assert crew.said == [own.id for own in plan.order()] == ["start", "left", "right", "join", "user"]
    assert all(crew.clients[own.id].requests[0].tokens <= own.token_budget for own in plan.steps)


@pytest.mark.parametrize("available", [360, 700, 1_100])
async def test_the_smallest_plans_run(available: int) -> None:
    task = TaskDefinition(description=prose(1, 1_800), requirements=tuple(prose(n, 240) for n in range(5)))
    plan, crew = await TaskDecomposer(StrictClient([""])).decompose_task(task, available), Crew()
    await plan.as_team(crew).run(task=task.text())
    assert len(crew.said) == len(plan.steps) == available // 360


async def test_contexts_go_by_their_step_and_the_model() -> None:
    plan, crew = await diamond(), Crew()
    contexts: dict[str, TokenBudgetChatCompletionContext] = {}

    def make(own: PlanStep, context: TokenBudgetChatCompletionContext) -> ChatAgent:
        contexts[own.id] = context
        return crew(own, context)

    plan.as_team(make, model="gpt-4o")
    for own in plan.steps:
        context = contexts[own.id]
        assert (context.budget, context.task) == (own.token_budget, own.text())
        assert context.dump_component().config["model"] == "gpt-4o"
        assert await context.get_messages() == [SystemMessage(content=own.text())]
        await context.clear()
        assert await context.get_messages() == [SystemMessage(content=own.text())]


async def test_agents_of_the_same_name_are_refused() -> None:
    plan = await diamond()
    with pytest.raises(ValueError, match=r"step\.agent_name"):
        plan.as_team(lambda own, context: AssistantAgent("same", StrictClient(), model_context=context))
