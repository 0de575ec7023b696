from .context.archive import ContextArchive
from .context.compression import READERS, ContextCompressor
from .context.embedding import Embedder, MiniLMEmbedder
from .context.form import FitStep, Form, Level
from .context.lines import Line, TextReader
from .context.manager import ContextManager
from .context.optimizer import ModelOptimizer
from .context.priority import Category, ContextPrioritizer
from .context.project import ProjectContext, Section
from .context.report import FitReport, FitResult
from .context.summary import ContextSummarizer, Summary
from .context.summary_writer import SummaryUsage
from .errors import BudgetTooSmallError, TokenCtxError, UnknownHandleError, UnknownModelError
from .hooks.chat_client import TokenBudgetChatCompletionClient
from .hooks.chat_context import TokenBudgetChatCompletionContext
from .hooks.events import FitEvent
from .hooks.history_transforms import MessageHistoryLimiter, MessageTokenLimiter
from .hooks.memory import ProjectContextMemory
from .hooks.planning import TaskDecomposer
from .hooks.plans import ExecutionPlan, PlanStep
from .hooks.recovery import ErrorRecovery, RecoveryResult
from .hooks.strategies import RecoveryStrategy
from .hooks.text_compressors import LLMLingua, TextCompressor
from .hooks.text_transforms import TextMessageCompressor, TextMessageContentName
from .hooks.transforms import MessageTransform
from .html_report.page import ReportSummary, write_report
from .telemetry.fit_log import FitLog
from .telemetry.metrics import TokenMetrics
from .telemetry.prices import ListPrices, Prices
from .telemetry.spans import OpenTelemetryHandler
from .telemetry.totals import MetricsSnapshot, TokenTotals
from .tokens.budget import TokenBudget
from .tokens.budget_manager import TokenBudgetManager
from .tokens.counters import TiktokenCounter, counter_for_model
from .tokens.counting import EstimatedTokenCounter, TokenCounter
from .tokens.limits import TokenConfig, TokenManager, default_sources
from .tokens.model_limits import LimitAnswer, LimitSource, ModelLimits
from .tokens.model_names import ModelName
from .tokens.profiles import ModelProfile
from .tokens.task import TaskComplexity, TaskDefinition

__all__ = [
    "READERS",
    "BudgetTooSmallError",
    "Category",
    "ContextArchive",
    "ContextCompressor",
    "ContextManager",
    "ContextPrioritizer",
    "ContextSummarizer",
    "Embedder",
    "ErrorRecovery",
    "EstimatedTokenCounter",
    "ExecutionPlan",
    "FitEvent",
    "FitLog",
    "FitReport",
    "FitResult",
    "FitStep",
    "Form",
    "LLMLingua",
    "Level",
    "LimitAnswer",
    "LimitSource",
    "Line",
    "ListPrices",
    "MessageHistoryLimiter",
    "MessageTokenLimiter",
    "MessageTransform",
    "MetricsSnapshot",
    "MiniLMEmbedder",
    "ModelLimits",
    "ModelName",
    "ModelOptimizer",
    "ModelProfile",
    "OpenTelemetryHandler",
    "PlanStep",
    "Prices",
    "ProjectContext",
    "ProjectContextMemory",
    "RecoveryResult",
    "RecoveryStrategy",
    "ReportSummary",
    "Section",
    "Summary",
    "SummaryUsage",
    "TaskComplexity",
    "TaskDecomposer",
    "TaskDefinition",
    "TextCompressor",
    "TextMessageCompressor",
    "TextMessageContentName",
    "TextReader",
    "TiktokenCounter",
    "TokenBudget",
    "TokenBudgetChatCompletionClient",
    "TokenBudgetChatCompletionContext",
    "TokenBudgetManager",
    "TokenConfig",
    "TokenCounter",
    "TokenCtxError",
    "TokenManager",
    "TokenMetrics",
    "TokenTotals",
    "UnknownHandleError",
    "UnknownModelError",
    "counter_for_model",
    "default_sources",
    "write_report",
]

__version__: str
