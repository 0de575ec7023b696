"""Pictures that left the view and come back for a turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autogen_core import Image
from autogen_core.models import LLMMessage, UserMessage

from ..forms.compressor import label_of
from ..forms.form import FitStep, Form
from ..messages.archive import ContextArchive
from ..messages.groups import MessageGroup, pictures_of
from ..messages.pages import expand_call
from ..tokens.counting import TokenCounter
from .recall import RECALL_SOURCE, Recalled


def with_pictures(
    lines: Recalled | None,
    group: MessageGroup,
    view: Sequence[LLMMessage],
    most: int,
    counter: TokenCounter,
    archive: ContextArchive,
    *,
    expandable: bool = True,
) -> Recalled | None:
    """Return recalled lines with the pictures of a group that a view lacks, as many of the newest as fit."""
    handle = archive.put(group.originals)
    call = f": {expand_call(handle)}" if expandable else ""
    head = f"[Images from an earlier message of {label_of(group)}{call}]"
    text = f"{lines.message.content}\n[Images from an earlier message of {label_of(group)}]" if lines else head
    pictures = lacking(group, view)
    while pictures:
        message = UserMessage(content=[text, *pictures], source=RECALL_SOURCE)
        cost = counter.count_message(message)
        if cost <= most:
            before = sum(map(counter.count_message, group.messages))
            why = f"pictures: {len(pictures)}"
            if lines is None:
                return Recalled(message, FitStep(-1, RECALL_SOURCE, Form.RECALLED, before, cost, why, handle))
            return Recalled(message, replace(lines.step, tokens_after=cost, why=f"{lines.step.why}; {why}"))
        del pictures[0]
    return lines


def lacking(group: MessageGroup, view: Sequence[LLMMessage]) -> list[Image]:
    """Return the pictures of a group that a view does not have."""
    shown = pictures_of(view)
    return [image for image in pictures_of(group.messages) if not any(_is_same(image, other) for other in shown)]


def _is_same(one: Image, other: Image) -> bool:
    """Return whether two pictures are alike: a state that was loaded has copies."""
    if one is other:
        return True
    return one.image.size == other.image.size and one.image.tobytes() == other.image.tobytes()
