"""The quirks of model families, as data, each with where it comes from. As of 2026-10.

What AutoGen's clients do is from the source of autogen-ext 0.7.5. What nobody documents is marked as a judgement.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from ..tokens.images import CroppedImages, FlatImages, PatchedImages, TiledImages
from .names import ModelName
from .profiles import ModelProfile, PromptCache

# Prices and minimums: the OpenAI cookbook, Prompt_Caching_201 (1,024 tokens, steps of 128; gpt-4o 50 %, gpt-4.1 75 %,
# gpt-5 and later 90 %; it calls itself valid for models before GPT-5.6, of which the prices are the same).
_OPENAI_50 = PromptCache(automatic=True, minimum=1_024, granularity=128, discount=0.5)
_OPENAI_75 = replace(_OPENAI_50, discount=0.75)
_OPENAI_90 = replace(_OPENAI_50, discount=0.9)
# Servers of open models (llama.cpp, vLLM, Ollama) keep the start of a request; that costs less time, not less money.
_KEPT = PromptCache(automatic=True, minimum=0, granularity=1, discount=0.0)
_NO_CACHE = PromptCache(automatic=False, minimum=0, granularity=1, discount=0.0)

_GPT = ModelProfile(
    family="gpt",
    system="anywhere",
    turns="free",
    ends_with_user=False,
    refuses_empty=False,
    sends_thought=True,
    call_id=r"[\s\S]{1,40}",  # microsoft/autogen#6377: "Expected a string with maximum length 40"
    unique_ids=False,
    object_arguments=False,
    images=TiledImages(85, 170),
    encoding="o200k_base",
    cache=_OPENAI_50,
)
_GPT_4 = replace(_GPT, encoding="cl100k_base", cache=_NO_CACHE)
_GPT_5 = replace(_GPT, images=TiledImages(70, 140), cache=_OPENAI_90)
_O_SERIES = replace(_GPT, family="o-series", images=TiledImages(75, 150))

_CLAUDE = ModelProfile(
    family="claude",
    system="head",  # AutoGen's client raises "Multiple and Not continuous system messages are not supported"
    # docs.anthropic.com messages: consecutive turns of one role are combined into one. Bedrock refuses an assistant's
    # message at the start (anthropic-sdk-typescript#622).
    turns="user_first",
    ends_with_user=True,  # from 4.6 on (langchain-ai/deepagents#1585); before, the reply would continue that message
    refuses_empty=True,  # "text content blocks must contain non-whitespace text"; AutoGen would send a single space
    sends_thought=True,
    call_id=r"[a-zA-Z0-9_-]+",
    unique_ids=True,  # "`tool_use` ids must be unique" (anthropics/claude-code#20901)
    object_arguments=True,  # "tool_use.input: Input should be a valid dictionary"
    images=PatchedImages(28, 1_568, longest=1_568),
    encoding=None,
    cache=_NO_CACHE,  # platform.claude.com prompt-caching: needs cache_control, which AutoGen does not send
)
_CLAUDE_4_7 = replace(_CLAUDE, images=PatchedImages(28, 4_784, longest=2_576))

_GEMINI = ModelProfile(
    family="gemini",
    system="head",  # AutoGen's model info says multiple_system_messages: False; there is one system instruction
    turns="calls_answer",  # "function call turn comes immediately after a user turn or after a function response turn"
    ends_with_user=True,  # "ensure that multiturn requests end with a user role or a function response"
    refuses_empty=True,  # AutoGen turns empty contents into a space for it, which says nothing either
    sends_thought=True,
    call_id=r"[\s\S]+",
    unique_ids=False,  # judgement: its own API has no ids
    object_arguments=True,  # its own API has a Struct there
    images=CroppedImages(258),
    encoding=None,
    # ai.google.dev/gemini-api/docs/caching: implicit from 2.5 on, from 2,048 tokens; Vertex: 90 % off.
    cache=PromptCache(automatic=True, minimum=2_048, granularity=1, discount=0.9),
)

UNKNOWN = ModelProfile(  # safe: what every endpoint accepts; the hooks shape nothing for it
    family="unknown",
    system="head",
    turns="alternate",
    ends_with_user=True,
    refuses_empty=True,
    sends_thought=True,
    call_id=r"[a-zA-Z0-9_-]{1,40}",
    unique_ids=True,
    object_arguments=True,  # vLLM decodes them for the chat template, AutoGen's client for Ollama before it sends them
    images=PatchedImages(28, 4_784, longest=2_576),  # the dearest of the rules that are linear in pixels
    encoding=None,
    cache=_KEPT,
)

_MISTRAL = replace(
    UNKNOWN,  # vLLM#6862: roles must alternate; litellm#17761: no user after tool; no assistant at the end
    family="mistral",
    call_id=r"[a-zA-Z0-9]{9}",  # "must be a-z, A-Z, 0-9, with a length of 9" (langchain#24668)
    # Pixtral (arXiv 2410.07073): patches of 16 pixels, at most 1,024 a side, and a token at the end of each row.
    images=PatchedImages(16, 4_096, factor=1.07, longest=1_024),
    cache=_NO_CACHE,  # docs.mistral.ai prompt-caching: needs a prompt_cache_key, which AutoGen does not send
)
_MISTRAL_7B = replace(_MISTRAL, system="user")  # whose templates have no system message (microsoft/autogen#1037)
_LLAMA = replace(
    UNKNOWN,
    family="llama",
    turns="free",  # the templates of Llama 3 and later take roles as they come
    images=FlatImages(6_404),  # docs.together.ai vision: at most 4 tiles of 1,601
)
_GEMMA = replace(
    UNKNOWN,
    family="gemma",
    system="user",  # "System role not supported" (huggingface/chat-ui#1386); Gemma 3's template does the same itself
    images=FlatImages(258),
)
_DEEPSEEK = replace(
    UNKNOWN,
    family="deepseek",
    system="anywhere",
    turns="free",
    # api-docs.deepseek.com kv_cache: from 64 tokens, in steps of 64; the prices differ, from 74 % to 98 % less.
    cache=PromptCache(automatic=True, minimum=64, granularity=64, discount=0.74),
)
_DEEPSEEK_REASONER = replace(
    _DEEPSEEK,  # "does not support successive user or assistant messages" (deepseek-ai/DeepSeek-R1#21)
    system="head",
    turns="alternate",
    sends_thought=False,
)
_QWEN = replace(
    UNKNOWN,
    family="qwen",  # "System message must be at the beginning" (vllm-project/vllm#41114)
    turns="user_first",  # newer templates raise "No user query found in messages."
    images=PatchedImages(28, 16_384),  # Qwen2-VL model card: 28 pixels a token, 16,384 at most
    # alibabacloud.com model-studio context-cache: implicit, 20 % of the price, from 1,024 tokens (before 2026: 256).
    cache=PromptCache(automatic=True, minimum=1_024, granularity=1, discount=0.8),
)
_QWEN_THINKING = replace(_QWEN, sends_thought=False)

_EDGE = r"(?:$|[^a-z0-9])"
_START = r"(?:^|[^a-z])"

# Regular expressions of names, and the profile of the models that have them; the first that is found counts.
TABLE: tuple[tuple[str, ModelProfile], ...] = (
    # Weights of one family are often named after two ("deepseek-r1-distill-qwen"): the trainer decides.
    (r"deepseek-?(?:reasoner|r\d|flash|v[4-9])|" + _START + r"r1" + _EDGE, _DEEPSEEK_REASONER),
    (r"deepseek", _DEEPSEEK),
    (r"claude-opus-4[-.]7" + _EDGE + r"|claude-[a-z]+-(?:4[-.][89]|[5-9])" + _EDGE, _CLAUDE_4_7),
    (r"claude", _CLAUDE),
    (r"gemini-(?:1|2\.0)", replace(_GEMINI, cache=_NO_CACHE)),
    (r"gemini-[3-9]", replace(_GEMINI, images=FlatImages(1_120), cache=replace(_GEMINI.cache, minimum=4_096))),
    (r"gemini", _GEMINI),
    (r"gemma-?[4-9](?!b)", replace(_GEMMA, system="head")),  # the first that know a system role
    (r"gemma", _GEMMA),
    (r"qwq|qvq|qwen.*(?:thinking|reason)", _QWEN_THINKING),
    (r"qwen", _QWEN),
    (r"mi[sx]tral-(?:7b|8x7b)-(?:instruct-)?v?0\.[12]" + _EDGE, _MISTRAL_7B),
    (r"mistral|mixtral|ministral|codestral|pixtral|magistral|devstral", _MISTRAL),
    (r"llama-?2" + _EDGE, replace(_LLAMA, turns="alternate")),
    (r"llama", _LLAMA),
    # Open weights: whoever serves them applies the harmony template, with one system message.
    (r"gpt-oss", replace(_LLAMA, family="gpt", encoding="o200k_harmony", images=UNKNOWN.images)),
    # Factors of small models: OpenAI's vision guide. Of gpt-5-mini and -nano 1.2 and 1.5 were measured
    # (community.openai.com/t/1377015); the guide's are higher. Of 5.2 and later, as measured there; from 5.4 on images
    # keep up to 10,000 patches (huggingface.co/datasets/JOHNISKING/image-token-cost).
    # gpt-4o-mini bills 33 times the tokens of gpt-4o for an image.
    (r"gpt-?4o-mini", replace(_GPT, images=TiledImages(2_833, 5_667))),
    (r"gpt-?4\.?1-mini", replace(_GPT, images=PatchedImages(32, 1_536, 1.62), cache=_OPENAI_75)),
    (r"gpt-?4\.?1-nano", replace(_GPT, images=PatchedImages(32, 1_536, 2.46), cache=_OPENAI_75)),
    (r"gpt-?4\.?1", replace(_GPT, cache=_OPENAI_75)),
    (r"gpt-?(?:4o|4\.?5)|chatgpt-4o", _GPT),
    (r"gpt-?4|gpt-?3\.?5", _GPT_4),
    (r"gpt-?5[.\d]*-mini", replace(_GPT_5, images=PatchedImages(32, 1_536, 1.62))),
    (r"gpt-?5[.\d]*-nano", replace(_GPT_5, images=PatchedImages(32, 1_536, 2.46))),
    (r"gpt-?5\.[23]", replace(_GPT_5, images=PatchedImages(32, 1_536, 1.2))),
    (r"gpt-?(?:5\.[4-9]|[6-9])", replace(_GPT_5, images=PatchedImages(32, 10_000, 1.2, longest=6_000))),
    (r"gpt-?5", _GPT_5),
    (r"codex-mini|" + _START + r"o4-mini", replace(_O_SERIES, images=PatchedImages(32, 1_536, 1.72), cache=_OPENAI_75)),
    (_START + r"o(?:1(?!\d)|3-mini)", _O_SERIES),
    (_START + r"o[3-9]" + _EDGE, replace(_O_SERIES, cache=_OPENAI_75)),
    (r"computer-use-preview", replace(_O_SERIES, images=TiledImages(65, 129))),
    (r"gpt" + _EDGE, _GPT),
)
_COMPILED = tuple((re.compile(pattern), profile) for pattern, profile in TABLE)


@lru_cache(maxsize=1_024)
def profile_of(model: str | None) -> ModelProfile:
    """Return the profile of a model, found by its name; the safe one when the name tells nothing."""
    name = ModelName.parse(model or "").base
    return next((profile for pattern, profile in _COMPILED if pattern.search(name)), UNKNOWN)
