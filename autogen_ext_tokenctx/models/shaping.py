"""The view of a request that a model's endpoint accepts and uses best."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby

from autogen_core import FunctionCall
from autogen_core.models import (
    AssistantMessage,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)

from ..messages.calls import changed, is_call, renamed_calls, with_object_arguments
from ..messages.groups import repair
from ..messages.sections import ProjectContext
from .names import ModelName
from .profile_table import profile_of
from .profiles import ModelProfile

# What an endpoint wants and nobody wrote: a user's message, an assistant's after tool results, and the text of an empty
# tool result where empty contents are refused.
GO_ON, SEEN, NOTHING = "Continue.", "I have read the results.", "(no output)"

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class ModelOptimizer:
    """Shapes requests to what a model's endpoint accepts and uses best.

    Args:
        profiles: Profiles of your own models, which come before the built-in ones: a regular expression that is
            searched in the name (in lower case, without provider and vendor), and the profile. The first that is
            found counts.
        model: Name of the model for which it shapes as one of a hook's ``transforms``; else each request says it.

    Raises:
        ValueError: A pattern is no regular expression.
        TypeError: Something else than a `ModelProfile` belongs to a pattern.

    Example:
        >>> from dataclasses import replace
        >>> messages = [
        ...     SystemMessage(content="You help."),
        ...     UserMessage(content="Hello", source="user"),
        ...     SystemMessage(content="The user likes tea."),
        ... ]
        >>> optimizer = ModelOptimizer()
        >>> [message.type for message in optimizer.optimize_for_model(messages, "claude-sonnet-4")]
        ['SystemMessage', 'UserMessage']
        >>> optimizer.optimize_for_model(messages, "gpt-4o") == messages
        True
        >>> in_house = replace(optimizer.profile("mistral-large"), system="anywhere", turns="free")
        >>> ModelOptimizer(profiles={"^house-": in_house}).optimize_for_model(messages, "house-7b") == messages
        True
    """

    def __init__(
        self,
        *,
        profiles: Mapping[str, ModelProfile] | Iterable[tuple[str, ModelProfile]] = (),
        model: str | None = None,
    ) -> None:
        self._model = model
        self._profiles = [_row(pattern, profile) for pattern, profile in dict(profiles).items()]

    def __repr__(self) -> str:
        own = [pattern.pattern for pattern, _ in self._profiles]
        return f"ModelOptimizer(profiles={own})" if own else "ModelOptimizer()"

    def profile(self, model: str | None) -> ModelProfile:
        """Return what the model accepts and uses best; the safe profile for unknown ones.

        Args:
            model: Name of the model.

        Example:
            >>> ModelOptimizer().profile("gpt-4.1-mini").cache.discount
            0.75
        """
        return self.own_profile(model) or profile_of(model)

    def own_profile(self, model: str | None) -> ModelProfile | None:
        """Return the profile that was given for the model; None when none was."""
        name = ModelName.parse(model or "").base
        return next((profile for pattern, profile in self._profiles if pattern.search(name)), None)

    def shape_for(self, model: str | None) -> Callable[[Sequence[LLMMessage]], list[LLMMessage]] | None:
        """Return what gives requests the shape of a model's endpoint; None where nothing is known of the model.

        Args:
            model: Name of the model.

        Example:
            >>> ModelOptimizer().shape_for("my-own-model") is None, ModelOptimizer().shape_for("gpt-4o") is None
            (True, False)
        """
        if not model or self.profile(model).family == "unknown":
            return None
        return lambda messages: self.optimize_for_model(messages, model)

    def apply_transform(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        """Return the messages as the model's endpoint accepts them: an optimizer can be one of a hook's transforms.

        Raises:
            ValueError: It was made without a model.

        Example:
            >>> said: list[LLMMessage] = [UserMessage(content=text, source="user") for text in ("Hi.", "Now?")]
            >>> len(ModelOptimizer(model="gemma-2-9b-it").apply_transform(said))
            1
        """
        if self._model is None:
            raise ValueError("a ModelOptimizer among transforms needs a model: ModelOptimizer(model='gemma-2-9b-it')")
        return self.optimize_for_model(messages, self._model)

    def get_logs(
        self, pre_transform_messages: list[LLMMessage], post_transform_messages: list[LLMMessage]
    ) -> tuple[str, bool]:
        """Return what `apply_transform` did in a few words, and whether it changed anything."""
        is_changed = list(map(id, pre_transform_messages)) != list(map(id, post_transform_messages))
        return f"shaped for {self._model}", is_changed

    def optimize_for_model(
        self, messages: ProjectContext | Sequence[LLMMessage], model: str | None
    ) -> list[LLMMessage]:
        """Return the request as the model's endpoint accepts it.

        Broken pairs of tool calls and results are repaired and lone surrogates replaced for every model; the rest is
        as the model's profile says. A few words may come in (who said what, "Continue."), so whoever has a budget
        counts what comes out.

        Args:
            messages: A request, or the sections of a project. Neither the list nor a message is changed.
            model: Name of the model.

        Raises:
            TypeError: A section is given by a callable: ``await project.read()`` asks it.

        Returns:
            The messages, the very same objects where nothing had to change. Doing it again changes nothing.
        """
        profile = self.profile(model)
        if isinstance(messages, ProjectContext):
            messages = [section.message() for section in messages.texts()]
        view = [_encodable(message) for message in repair(messages)]
        if not profile.sends_thought:
            view = [_without_thought(message) for message in view]
        if profile.refuses_empty:
            view = [filled for message in view if (filled := _filled(message)) is not None]
        if profile.object_arguments:
            view = [with_object_arguments(message) for message in view]
        view = renamed_calls(view, re.compile(profile.call_id), unique=profile.unique_ids)
        if profile.system != "anywhere":
            view = _one_head(view)
        if profile.system == "user":
            view = _head_of_user(view)
        if profile.turns == "alternate":
            view = _spoken_after_results([_merged(list(run)) for _, run in groupby(view, _turn)])
        if profile.turns != "free":
            view = _answering(view, calls_too=profile.turns != "user_first")
        if messages and profile.ends_with_user and _wants_user(view):
            view.append(_go_on())
        return view


DEFAULT_OPTIMIZER = ModelOptimizer()


def checked_optimizer(optimizer: ModelOptimizer | None) -> ModelOptimizer | None:
    """Return `optimizer`, or raise a TypeError where it is something else."""
    if optimizer is not None and not isinstance(optimizer, ModelOptimizer):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"optimizer is a ModelOptimizer, or None for none; got {optimizer!r}")
    return optimizer


def is_default(optimizer: ModelOptimizer | None) -> bool:
    """Return whether an optimizer is the default one; raise a TypeError where no configuration can say what it is."""
    if optimizer not in (None, DEFAULT_OPTIMIZER):
        raise TypeError(
            "a ModelOptimizer with profiles of your own cannot be dumped: dump without optimizer=, and give it to the "
            "constructor again"
        )
    return optimizer is not None


def _row(pattern: str, profile: ModelProfile) -> tuple[re.Pattern[str], ModelProfile]:
    """Return a row of ``profiles``, checked."""
    if not isinstance(profile, ModelProfile):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"profiles: {pattern!r} has {profile!r}, not a ModelProfile; ModelOptimizer().profile(name) gives the "
            "one of a model like it, and dataclasses.replace changes what differs"
        )
    try:
        return re.compile(pattern), profile
    except re.error as error:
        raise ValueError(f"profiles: {pattern!r} is not a regular expression ({error}); try re.escape(name)") from None


def _go_on() -> UserMessage:
    return UserMessage(content=GO_ON, source="user")


def _wants_user(view: Sequence[LLMMessage]) -> bool:
    """Return whether nothing asks for an answer: only system messages, or the assistant's text is the last."""
    dialogue = [message for message in view if not isinstance(message, SystemMessage)]
    return not dialogue or (isinstance(dialogue[-1], AssistantMessage) and not is_call(dialogue[-1]))


def _clean(text: str) -> str:
    """Return a text with surrogate pairs joined and lone surrogates replaced: neither can be sent as UTF-8."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _clean_arguments(arguments: str) -> str:
    """Return a call's arguments without surrogates, also those that JSON's escapes hide until a client decodes them."""
    if _ESCAPED_SURROGATE.search(arguments):
        with suppress(ValueError, RecursionError):  # no JSON: nobody decodes it
            decoded = json.dumps(json.loads(arguments), ensure_ascii=False)
            arguments = decoded if _SURROGATE.search(decoded) else arguments
    return _clean(arguments)


def _encodable(message: LLMMessage) -> LLMMessage:
    """Return a message with texts that can be sent; itself where they can be already."""
    if isinstance(message, UserMessage) and not isinstance(message.content, str):
        return changed(message, content=[_clean(part) if isinstance(part, str) else part for part in message.content])
    if isinstance(message, FunctionExecutionResultMessage):
        return changed(message, content=[changed(each, content=_clean(each.content)) for each in message.content])
    if not isinstance(message, AssistantMessage):
        return changed(message, content=_clean(str(message.content)))
    thought = message.thought and _clean(message.thought)
    if isinstance(message.content, str):
        return changed(message, content=_clean(message.content), thought=thought)
    calls = [FunctionCall(id=c.id, name=c.name, arguments=_clean_arguments(c.arguments)) for c in message.content]
    return changed(message, content=calls, thought=thought)


def _without_thought(message: LLMMessage) -> LLMMessage:
    if isinstance(message, AssistantMessage) and is_call(message) and message.thought:
        return changed(message, thought=None)
    return message


def _filled(message: LLMMessage) -> LLMMessage | None:
    """Return a message without its empty parts; None when nothing is left."""
    if isinstance(message, FunctionExecutionResultMessage):
        filled = [changed(each, content=each.content if each.content.strip() else NOTHING) for each in message.content]
        return changed(message, content=filled)
    if isinstance(message.content, str):
        return message if message.content.strip() else None
    if isinstance(message, AssistantMessage):
        return changed(message, thought=message.thought if (message.thought or "").strip() else None)
    parts = [part for part in message.content if not isinstance(part, str) or part.strip()]
    return changed(message, content=parts) if parts else None


def _one_head(view: Sequence[LLMMessage]) -> list[LLMMessage]:
    """Return the view with one system message, at the head; a text that several have stands there once."""
    system = [message for message in view if isinstance(message, SystemMessage)]
    rest = [message for message in view if not isinstance(message, SystemMessage)]
    texts = dict.fromkeys(message.content for message in system)
    if len(texts) > 1:
        system = [SystemMessage(content="\n\n".join(text for text in texts if text.strip()))]
    return [*system[:1], *rest]


def _head_of_user(view: Sequence[LLMMessage]) -> list[LLMMessage]:
    """Return the view with its system message, the first of all, as the beginning of the first user message."""
    if not view or not isinstance(view[0], SystemMessage):
        return list(view)
    first = [message for message in view[1:2] if isinstance(message, UserMessage)]
    rules = UserMessage(content=view[0].content, source=first[0].source if first else "user")
    return [_merged([rules, *first]), *view[1 + len(first) :]]


def _turn(message: LLMMessage) -> object:
    """Return what is equal for neighbours that are one turn: both a user's, or both an assistant's texts."""
    is_text = isinstance(message, UserMessage) or (isinstance(message, AssistantMessage) and not is_call(message))
    return type(message) if is_text else object()


def _spoken_after_results(view: Sequence[LLMMessage]) -> list[LLMMessage]:
    """Return the view with an assistant message wherever a user message follows tool results."""
    out: list[LLMMessage] = []
    caller = ""
    for message in view:
        if isinstance(message, AssistantMessage):
            caller = message.source
        if isinstance(message, UserMessage) and out and isinstance(out[-1], FunctionExecutionResultMessage):
            out.append(AssistantMessage(content=SEEN, source=caller))
        out.append(message)
    return out


def _answering(view: Sequence[LLMMessage], *, calls_too: bool) -> list[LLMMessage]:
    """Return the view with a user message before an assistant that comes first, or calls tools after its own text."""
    out: list[LLMMessage] = []
    for message in view:
        if isinstance(message, AssistantMessage):
            last = out[-1] if out else None
            first = last is None or isinstance(last, SystemMessage)
            if first or (calls_too and is_call(message) and isinstance(last, AssistantMessage)):
                out.append(_go_on())
        out.append(message)
    return out


def _merged(run: Sequence[LLMMessage]) -> LLMMessage:
    """Return one message for several of one role; where the source changes it says so, as AutoGen's prefixes do."""
    first = run[0]
    if len(run) == 1:
        return first
    assert isinstance(first, (UserMessage, AssistantMessage))
    pieces: list[object] = []
    speaker = first.source
    for message in run:
        assert isinstance(message, (UserMessage, AssistantMessage))
        parts: list[object] = [message.content] if isinstance(message.content, str) else [*message.content]
        if message.source != speaker:
            speaker = message.source
            label = f"{speaker} said:\n"
            parts[:1] = [label + parts[0]] if isinstance(parts[0], str) else [label, parts[0]]
        pieces += parts
    texts = [piece for piece in pieces if isinstance(piece, str)]
    content: object = "\n\n".join(texts) if len(texts) == len(pieces) else pieces
    return first.model_copy(update={"content": content})
