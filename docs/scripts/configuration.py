"""Writes docs/configuration.md: every setting, from the signatures, docstrings and pydantic models of the package."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

import typer.main
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import autogen_ext_tokenctx as package
from autogen_ext_tokenctx.cli.app import app

Row = tuple[str, str, str, str]
"""Name, default, unit, effect."""

GROUPS: Mapping[str, tuple[str, ...]] = {
    "The two hooks": (
        "TokenBudgetChatCompletionContext",
        "TokenBudgetChatCompletionClient",
    ),
    "Budgets and tasks": (
        "TokenBudget",
        "TokenBudgetManager",
        "TokenBudgetManager.budgets_for_team",
        "TokenBudgetManager.allocate_budget",
        "TaskDefinition",
    ),
    "Limits of models": (
        "TokenManager",
        "TokenConfig",
        "default_sources",
        "ModelOptimizer",
        "ModelProfile",
        "PromptCache",
    ),
    "Counting": ("TiktokenCounter", "EstimatedTokenCounter", "RequestTokenCounter", "counter_for_model"),
    "Choosing and shortening": (
        "ContextManager",
        "ContextManager.fit",
        "ContextManager.compress_for_recovery",
        "ContextPrioritizer",
        "ContextCompressor",
        "ContextArchive",
        "MiniLMEmbedder",
    ),
    "Summaries by a model": ("ContextSummarizer",),
    "Transforms of AutoGen 0.2": (
        "MessageHistoryLimiter",
        "MessageTokenLimiter",
        "TextMessageCompressor",
        "TextMessageContentName",
        "LLMLingua",
    ),
    "Project context": ("ProjectContext", "Section", "ProjectContextMemory"),
    "Plans and recovery": (
        "TaskDecomposer",
        "TaskDecomposer.decompose_task",
        "PlanningAgent",
        "ErrorRecovery",
        "ErrorRecovery.recover",
        "RecoveryAgent",
    ),
    "Watching": ("TokenMetrics", "FitLog", "OpenTelemetryHandler", "ListPrices", "write_report"),
}
"""What takes settings."""

RESULTS = (
    "BudgetTooSmallError CallRecord Category ExecutionPlan FitEvent FitReport FitResult FitStep Form "
    "InstructionKind Level LimitAnswer Line MessageGroup MetricsSnapshot ModelLimits ModelName PlanStep Priority "
    "READERS RecoveryAttempt RecoveryResult RecoveryStrategy ReportSummary SearchHit StandingInstruction Summary "
    "SummaryUsage TaskComplexity TokenCtxError TokenTotals UnknownHandleError UnknownModelError"
).split()
"""What the package gives, raises or enumerates."""

PROTOCOLS = (
    "ContextStore",
    "Embedder",
    "ImageCost",
    "LimitSource",
    "MessageTransform",
    "Prices",
    "Summarizer",
    "TextCompressor",
    "TextReader",
    "TokenCounter",
    "Transform",
)
"""What a user may bring."""

COMPONENTS = (
    "TokenBudgetChatCompletionContext",
    "TokenBudgetChatCompletionClient",
    "ContextSummarizer",
    "MessageHistoryLimiter",
    "MessageTokenLimiter",
    "TextMessageCompressor",
    "TextMessageContentName",
)

UNITS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "budget agent_budgets limit reserve total total_tokens minimum max_tokens max_input_tokens token_limit "
            "max_tokens_per_message min_tokens available_tokens default_token_limit "
            "tokens detailed_from"
        ).split(),
        "tokens",
    ),
    **dict.fromkeys("trigger target shares recall start_at tool_schema_factor".split(), "share"),
    **dict.fromkeys("weights scorers".split(), "weight"),
    **dict.fromkeys("timeout api_discovery_timeout model_limit_cache_ttl".split(), "seconds"),
    **dict.fromkeys("max_messages".split(), "messages"),
    **dict.fromkeys("attempts most worst threads max_steps".split(), "count"),
    **dict.fromkeys("max_bytes size".split(), "bytes"),
}
"""Units of numbers, by the name of the setting; one that is missing here is an error."""

ENVIRONMENT: tuple[Row, ...] = (
    (
        "`MODEL_LIMIT_<NAME>`",
        "not set",
        "tokens",
        "Window of the model of that name, before all other sources. Names compare by letters and digits: "
        "MODEL_LIMIT_GPT4O is that of gpt-4o.",
    ),
    (
        "`TIKTOKEN_CACHE_DIR`",
        "tiktoken's own",
        "folder",
        "Where tiktoken's rank files are looked for first.",
    ),
    ("`DATA_GYM_CACHE_DIR`", "tiktoken's own", "folder", "The same, where `TIKTOKEN_CACHE_DIR` is not set."),
    ("`TOKENCTX_API_KEY`", "not set", "text", "Key of the API that `tokenctx limits --base-url URL` asks."),
    (
        "`ANTHROPIC_API_KEY`, `COHERE_API_KEY`, `GEMINI_API_KEY`, `GROQ_API_KEY`, `MISTRAL_API_KEY`, "
        "`OPENROUTER_API_KEY`, `TOGETHER_API_KEY`",
        "not set",
        "text",
        "Keys of these hosts, where `--base-url` names one of them; each goes to its own host only. The tests marked "
        "`provider` use them, too.",
    ),
    ("`COLUMNS`", "width of the terminal", "characters", "Width of the tables of `tokenctx`."),
    (
        "`AUTOGEN_ALLOWED_PROVIDER_NAMESPACES`",
        "not set",
        "names",
        "AutoGen's own: newer AutoGen source loads components of this package only where it names "
        "`autogen_ext_tokenctx`.",
    ),
)

FILES: tuple[Row, ...] = (
    (
        "`./model_limits.json`, `~/.autogen/model_limits.json`, `/etc/autogen/model_limits.json`",
        "none",
        "tokens",
        "A JSON object of model names; a value is the window, or an object with any of `context_window`, "
        "`max_input_tokens`, `max_output_tokens`. The first file that knows a model counts. "
        "`TokenConfig(model_limits_config_path=)` reads one file instead.",
    ),
    (
        "`~/.autogen/model_limits.refreshed.json`, `/etc/autogen/model_limits.refreshed.json`",
        "none",
        "tokens",
        "A table that `tokenctx limits --refresh` wrote, with its day; the newer of the two counts, as one of the "
        "known tables: below files, environment and API.",
    ),
)

_HEAD = """# Configuration

Every parameter, configuration key, environment variable and option, with its default, unit and effect. This page is
generated by `docs/scripts/generate.py` from the code; a test holds it equal. A default of `required` must be given.
"""


def page() -> str:
    """The text of the page."""
    parts = [_HEAD]
    for title, names in GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [_section(name) for name in names]
    parts.append("## Keys of declarative components\n")
    parts.append(
        "`dump_component()` writes these keys and `load_component()` reads them; see AutoGen's `ComponentModel`. "
        "A key has the effect of the parameter of its name.\n"
    )
    parts += [_component(name) for name in COMPONENTS]
    parts.append("## Environment variables\n")
    parts.append(_table(ENVIRONMENT))
    parts.append("## Files\n")
    parts.append(_table(FILES))
    parts.append("## The command tokenctx\n")
    parts += list(_commands())
    return "\n".join(parts)


def _section(name: str) -> str:
    target: Any = package
    for part in name.split("."):
        target = getattr(target, part)
    effects = effects_of(target)
    rows = [_row(name, setting, default, effects) for setting, default in settings_of(target)]
    first = inspect.getdoc(target)
    assert first, f"{name} has no docstring"
    summary = " ".join(first.partition("\n\n")[0].split())
    table = _table(rows) if rows else "No settings.\n"
    return f"### {name}\n\n{_plain(summary)}\n\n{table}"


def settings_of(target: Any) -> Iterator[tuple[str, object]]:
    """Names and defaults of what a class or function takes."""
    if inspect.isclass(target) and issubclass(target, BaseModel):
        for name, field in target.model_fields.items():
            yield name, inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)
        return
    for parameter in inspect.signature(target).parameters.values():
        if parameter.name not in ("self", "clock") and not parameter.name.startswith("_"):
            yield parameter.name, parameter.default


def effects_of(target: Any) -> dict[str, str]:
    """What each setting does: from the section ``Args:`` of the docstring, and the docstrings below fields."""
    effects = _field_docstrings(target) if inspect.isclass(target) else {}
    for text in (inspect.getdoc(target), inspect.getdoc(target.__init__) if inspect.isclass(target) else None):
        section = re.search(r"^Args:\n((?:[ \t]+.*\n?|\n(?=[ \t]))*)", text or "", re.MULTILINE)
        if section is None:
            continue
        body = textwrap.dedent(section[1])
        for name, effect in re.findall(r"^(\w+): (.*(?:\n[ \t]+.*)*)", body, re.MULTILINE):
            effects[name] = " ".join(effect.split())
    return effects


def _field_docstrings(target: type) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(target)))
    except (OSError, TypeError):
        return {}
    (definition,) = tree.body
    assert isinstance(definition, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, following in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            value = following.value if isinstance(following, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found[statement.target.id] = " ".join(value.value.split())
    return found


def _row(owner: str, name: str, default: object, effects: Mapping[str, str]) -> Row:
    if name not in effects:
        raise LookupError(f"the docstring of {owner} says nothing of {name}")
    is_number = isinstance(default, (int, float)) and not isinstance(default, bool)
    if is_number and name not in UNITS:
        raise LookupError(f"the unit of {name} of {owner} is missing in UNITS")
    return f"`{name}`", _default(default), UNITS.get(name, ""), _plain(effects[name])


def _default(default: object) -> str:
    if default is inspect.Parameter.empty or default is PydanticUndefined:
        return "required"
    if isinstance(default, Enum):
        return f"`{default.value}`"
    if isinstance(default, PurePath):
        return f"`{default.as_posix()}`"
    if isinstance(default, int) and not isinstance(default, bool):
        return f"`{default:_}`"
    if callable(default):
        return f"`{getattr(default, '__name__', type(default).__name__)}`"
    return f"`{default!r}`"


def _component(name: str) -> str:
    target = getattr(package, name)
    effects = effects_of(target)
    rows: list[Row] = []
    for key, field in target.component_config_schema.model_fields.items():
        default = inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True)
        effect = effects.get(key, f"See the parameter `{key}`.")
        rows.append((f"`{key}`", _default(default), UNITS.get(key, ""), _plain(effect)))
    return f"### {name} as a component\n\n`provider: {target.component_provider_override}`\n\n{_table(rows)}"


def _commands() -> Iterator[str]:
    group: Any = typer.main.get_command(app)
    for name, command in sorted(group.commands.items()):
        rows: list[Row] = []
        for parameter in command.params:
            shown = parameter.name.upper() if parameter.param_type_name == "argument" else max(parameter.opts, key=len)
            if getattr(parameter, "hidden", False) or shown == "--help":
                continue
            default = "required" if parameter.required else _default(parameter.default)
            rows.append((f"`{shown}`", default, UNITS.get(parameter.name, ""), _plain(parameter.help or "")))
        summary = " ".join((command.help or "").partition("\n\n")[0].split())
        yield f"### tokenctx {name}\n\n{_plain(summary)}\n\n{_table(rows)}"


def _table(rows: list[Row] | tuple[Row, ...]) -> str:
    lines = ["| name | default | unit | effect |", "|---|---|---|---|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """Docstring markup as Markdown; what looks like HTML as code."""
    text = text.replace("``", "`")
    return re.sub(r"(?<!`)<(\w+)>", r"`<\1>`", text)
