"""What the hooks do, for OpenTelemetry: a span and metrics for each fitted call.

They show no word of any message unless they are asked to, with ``texts=True``; then what looks like a secret is taken
out and long texts are clipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from autogen_core.logging import LLMCallEvent, LLMStreamEndEvent
from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from ..context.events import FitEvent
from .listening import EventListener
from .metrics import repaired
from .redaction import newest

_VERSION = version("autogen-ext-tokenctx")

# The ends of the histograms' buckets: of tokens 4 to the power of 0 to 13, as OpenTelemetry's conventions have them for
# ``gen_ai.client.token.usage``; of shares each tenth.
_TOKEN_BOUNDS = tuple(4**power for power in range(14))
_SHARE_BOUNDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


class OpenTelemetryHandler(EventListener):
    """A span and metrics for each fitted call, by OpenTelemetry's conventions for generative AI where it has some.

    The span ``tokenctx.fit`` is a child of the span that is current in the agent's task, such as AutoGen's own. It
    begins when the fit did. Where the view only went on from the one before, nothing was fitted: the span has no
    length and ``tokenctx.reused`` is true. What the report states are attributes ``tokenctx.*``. Those named
    ``gen_ai.usage.*`` are on the client hook's spans alone: that hook sees the whole request, and backends add
    them up.

    The metrics:

    - ``tokenctx.token.usage``, {token}: of each fit, what goes out.
    - ``tokenctx.tokens.saved``, {token}: what the provider does not see. With both hooks each adds its own part.
    - ``tokenctx.fit.duration``, s: of the fits that made a view.
    - ``tokenctx.utilization``, 1: share of its budget that a fit uses.
    - ``tokenctx.quality``, 1: of the compactions.
    - ``gen_ai.client.token.usage``, {token}: what the provider billed, by AutoGen's own events.

    Ids of teams are on spans only: in metrics each would begin new time series.

    Args:
        tracer_provider: Where spans go; the global one by default.
        meter_provider: Where metrics go; the global one by default.
        texts: Put the newest messages on the spans, as ``tokenctx.history`` and ``tokenctx.view``.

    Example:
        >>> with OpenTelemetryHandler():
        ...     pass  # run the team
    """

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        texts: bool = False,
    ) -> None:
        super().__init__()
        self._texts = texts
        self._tracer = trace.get_tracer("autogen_ext_tokenctx", _VERSION, tracer_provider)
        meter = metrics.get_meter("autogen_ext_tokenctx", _VERSION, meter_provider)

        def histogram(name: str, unit: str, what: str, bounds: Sequence[float]) -> metrics.Histogram:
            return meter.create_histogram(name, unit, what, explicit_bucket_boundaries_advisory=bounds)

        self._usage = histogram("tokenctx.token.usage", "{token}", "Input tokens of a fitted request.", _TOKEN_BOUNDS)
        self._saved = meter.create_counter(
            "tokenctx.tokens.saved", "{token}", "Input tokens that the provider does not see."
        )
        # from the shortest fit to what a user would notice
        seconds = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
        self._duration = histogram("tokenctx.fit.duration", "s", "Time in which a view was made.", seconds)
        self._utilization = histogram(
            "tokenctx.utilization", "1", "Share of the budget that a fitted request uses.", _SHARE_BOUNDS
        )
        self._quality = histogram(
            "tokenctx.quality",
            "1",
            "About the share of what the next step may need that is still in the view.",
            _SHARE_BOUNDS,
        )
        self._billed = histogram(
            "gen_ai.client.token.usage", "{token}", "Number of input and output tokens used.", _TOKEN_BOUNDS
        )

    def hear(self, event: object) -> None:
        """Export a fit or a bill; other events are not looked at."""
        if isinstance(event, FitEvent):
            self._trace(event)
            self._measure(event)
        elif isinstance(event, LLMCallEvent | LLMStreamEndEvent):
            self._bill(event)

    def _trace(self, event: FitEvent) -> None:
        end = int(event.at * 1e9)
        start = end - int(event.report.seconds * 1e9)
        span = self._tracer.start_span("tokenctx.fit", start_time=start, attributes=_attributes(event))
        if self._texts and span.is_recording():
            for name, messages in (("tokenctx.history", event.history), ("tokenctx.view", event.view)):
                texts = newest(messages, 1_000, 60_000)  # exporters refuse spans of some megabytes
                # exporters refuse what is no UTF-8, which a model may well have written
                span.set_attribute(name, [f"{who}: {text}".encode(errors="replace").decode() for who, text in texts])
        span.end(end_time=end)

    def _measure(self, event: FitEvent) -> None:
        report = event.report
        labels = {"gen_ai.agent.name": event.agent, "tokenctx.hook": event.hook, **_model(event)}
        self._usage.record(report.tokens_after, labels)
        if report.tokens_saved > 0:  # a repair may add a few tokens
            self._saved.add(report.tokens_saved, labels)
        self._utilization.record(report.utilization, labels)
        if report.seconds:
            self._duration.record(report.seconds, labels)
        if report.compacted:
            self._quality.record(report.quality, labels)

    def _bill(self, event: LLMCallEvent | LLMStreamEndEvent) -> None:
        response: Mapping[str, Any] = event.kwargs.get("response") or {}
        model = response.get("model")
        labels = {"gen_ai.operation.name": "chat"}
        if isinstance(model, str):
            labels["gen_ai.response.model"] = model
        self._billed.record(event.prompt_tokens, {**labels, "gen_ai.token.type": "input"})
        self._billed.record(event.completion_tokens, {**labels, "gen_ai.token.type": "output"})


def _model(event: FitEvent) -> dict[str, str]:
    return {"gen_ai.request.model": event.model} if event.model else {}


def _attributes(event: FitEvent) -> dict[str, Any]:
    """Return numbers and names; no text of any message."""
    report = event.report
    attributes: dict[str, Any] = {
        # backends take operations called "chat" for model calls, and this is none
        "gen_ai.operation.name": "fit_context",
        "gen_ai.agent.name": event.agent,
        **_model(event),
        "tokenctx.hook": event.hook,
        "tokenctx.budget": report.budget,
        "tokenctx.reserve": report.reserve,
        "tokenctx.tokens.before": report.tokens_before,
        "tokenctx.tokens.after": report.tokens_after,
        "tokenctx.tokens.cached": report.cached_tokens,
        "tokenctx.level": report.level.name.lower(),
        "tokenctx.relevance": report.relevance,
        "tokenctx.quality": report.quality,
        "tokenctx.groups": report.groups,
        "tokenctx.steps": len(report.steps),
        "tokenctx.reused": not report.seconds,
        "tokenctx.compacted": report.compacted,
        "tokenctx.call": report.call_id,
    }
    if mended := repaired(report):
        attributes["tokenctx.repaired"] = mended
    if event.team:
        attributes["tokenctx.team"] = event.team
    if event.hook == "client":
        attributes["gen_ai.usage.input_tokens"] = report.tokens_after
        attributes["gen_ai.usage.cache_read.input_tokens"] = report.cached_tokens
    return attributes
