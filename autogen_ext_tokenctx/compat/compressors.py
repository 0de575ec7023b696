"""What says a text in fewer tokens, for `TextMessageCompressor`: AutoGen 0.2's protocol, and its LLMLingua."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from autogen_core import Component

from ..errors import StrictConfig
from .edits import Configured

# the small model that AutoGen 0.2 used, on the CPU
_LLMLINGUA = {
    "model_name": "microsoft/llmlingua-2-bert-base-multilingual-cased-meetingbank",
    "use_llmlingua2": True,
    "device_map": "cpu",
}


@runtime_checkable
class TextCompressor(Protocol):
    """Says a text in fewer tokens; the protocol that AutoGen 0.2 had under the same name.

    Example:
        >>> class FirstLine:
        ...     def compress_text(self, text, **compression_params):
        ...         return {"compressed_prompt": text.splitlines()[0]}
        >>> isinstance(FirstLine(), TextCompressor)
        True
    """

    def compress_text(self, text: str, **compression_params: Any) -> dict[str, Any]:
        """Return the shorter text, as ``compressed_prompt`` of a dictionary; what else is in there is not used.

        Args:
            text: A text that is not blank.
            compression_params: The parameters that `TextMessageCompressor` was given.
        """
        ...


class LLMLinguaConfig(StrictConfig):
    """The declarative configuration of `LLMLingua`."""

    prompt_compressor_kwargs: dict[str, Any] | None = None


class LLMLingua(Configured[LLMLinguaConfig], Component[LLMLinguaConfig]):
    """Compresses texts with LLMLingua (``pip install "autogen-ext-tokenctx[llmlingua]"``).

    The model is loaded at the first use. That may download it, and loading and compressing hold up the event loop.

    Args:
        prompt_compressor_kwargs: Arguments of ``llmlingua.PromptCompressor``. None: LLMLingua-2's small multilingual
            model on the CPU.

    Example:
        >>> LLMLingua().compress_text("It rained all day, and the weather was wet.", rate=0.5)  # doctest: +SKIP
    """

    component_type = "text_compressor"
    component_config_schema = LLMLinguaConfig
    component_provider_override = "autogen_ext_tokenctx.LLMLingua"

    def __init__(self, prompt_compressor_kwargs: Mapping[str, Any] | None = None) -> None:
        self._kwargs = None if prompt_compressor_kwargs is None else dict(prompt_compressor_kwargs)
        self._config = LLMLinguaConfig(prompt_compressor_kwargs=self._kwargs)

    def compress_text(self, text: str, **compression_params: Any) -> dict[str, Any]:
        """Return what LLMLingua makes of a text.

        Args:
            text: Any text.
            compression_params: Arguments of LLMLingua's ``compress_prompt``, such as ``rate`` or ``target_token``.

        Raises:
            ImportError: The extra is not installed.
            Exception: What LLMLingua raises when it cannot load its model or compress the text.
        """
        return self._model.compress_prompt([text], **compression_params)

    @cached_property
    def _model(self) -> Any:
        try:
            llmlingua = import_module("llmlingua")
        except ImportError as error:
            raise ImportError(
                f'LLMLingua cannot be imported ({error}): pip install "autogen-ext-tokenctx[llmlingua]", or give '
                "TextMessageCompressor a text_compressor= of your own",
                name="llmlingua",
            ) from error
        return llmlingua.PromptCompressor(**(_LLMLINGUA if self._kwargs is None else self._kwargs))
