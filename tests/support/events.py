"""Fit events as the hooks log them, and telemetry that keeps what it is given."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from autogen_core import EVENT_LOGGER_NAME
from autogen_core.models import LLMMessage
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from autogen_ext_tokenctx.context.events import FitEvent
from autogen_ext_tokenctx.context.report import FitReport
from autogen_ext_tokenctx.forms.form import FitStep, Form
from autogen_ext_tokenctx.telemetry.spans import OpenTelemetryHandler

EVENTS = logging.getLogger(EVENT_LOGGER_NAME)


def fit(
    before: int = 900,
    after: int = 500,
    *,
    hook: Literal["context", "client"] = "client",
    agent: str = "coder",
    team: str = "",
    model: str = "gpt-4o",
    history: Sequence[LLMMessage] = (),
    view: Sequence[LLMMessage] = (),
    at: float = 1_000.0,
    **report: Any,
) -> FitEvent:
    """An event; what is not given is some value."""
    report = {"budget": 1_000, "seconds": 0.002, **report}
    return FitEvent(
        hook, agent, team, model, FitReport(tokens_before=before, tokens_after=after, **report), history, view, at
    )


def step(unit: int = 1, form: Form = Form.PLACEHOLDER, **changes: Any) -> FitStep:
    """A step; what is not given is some value."""
    values: dict[str, Any] = {
        "what": "coder: read_file",
        "tokens_before": 400,
        "tokens_after": 10,
        "why": "general_context",
        "handle": "cafe",
    }
    return FitStep(unit, form=form, **{**values, **changes})


class Collected:
    """An OpenTelemetry SDK in memory, and the handler that exports to it."""

    def __init__(self, *, texts: bool = False) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.handler = OpenTelemetryHandler(
            tracer_provider=self.tracer_provider, meter_provider=MeterProvider([self._reader]), texts=texts
        )

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """All spans that ended."""
        return self._exporter.get_finished_spans()

    def points(self) -> Iterator[tuple[str, str | None, dict[str, Any], Any]]:
        """Name, unit, attributes and sum of each data point."""
        data = self._reader.get_metrics_data()
        if data is None:
            return
        for resource in data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        total = getattr(point, "sum", None)
                        yield (
                            metric.name,
                            metric.unit,
                            dict(point.attributes or {}),
                            total if total is not None else getattr(point, "value", None),
                        )
