from .compat.compressors import LLMLingua, TextCompressor
from .compat.limiters import MessageHistoryLimiter, MessageTokenLimiter
from .compat.texts import TextMessageCompressor, TextMessageContentName
from .context.events import FitEvent
from .context.manager import ContextManager
from .context.parts import ContextCompressor, ContextPrioritizer, Priority
from .context.report import FitReport, FitResult
from .errors import BudgetTooSmallError, TokenCtxError, UnknownHandleError, UnknownModelError
from .forms.compressor import READERS
from .forms.form import FitStep, Form, Level
from .forms.line import Line, TextReader
from .hooks.chat_client import TokenBudgetChatCompletionClient
from .hooks.chat_context import TokenBudgetChatCompletionContext
from .hooks.memory import ProjectContextMemory
from .hooks.sending import CallRecord
from .hooks.transforms import MessageTransform, Transform
from .html_report.page import ReportSummary, write_report
from .messages.archive import ContextArchive
from .messages.groups import MessageGroup
from .messages.instructions import InstructionKind
from .messages.sections import ProjectContext, Section
from .messages.store import ContextStore
from .models.counters import TiktokenCounter, counter_for_model
from .models.limits import LimitAnswer, LimitSource, ModelLimits
from .models.names import ModelName
from .models.profiles import ModelProfile, PromptCache
from .models.shaping import ModelOptimizer
from .models.token_manager import TokenConfig, TokenManager, default_sources
from .planning.agents import PlanningAgent, RecoveryAgent
from .planning.error_recovery import ErrorRecovery, RecoveryAttempt, RecoveryResult
from .planning.plan import ExecutionPlan, PlanStep
from .planning.strategies import RecoveryStrategy
from .planning.task_decomposer import TaskDecomposer
from .retrieval.embedding import Embedder, MiniLMEmbedder
from .retrieval.search import SearchHit
from .selection.instructions import StandingInstruction
from .selection.prioritizer import Category
from .summary.summarizer import ContextSummarizer, Summarizer, Summary
from .summary.writer import SummaryUsage
from .telemetry.fit_log import FitLog
from .telemetry.metrics import TokenMetrics
from .telemetry.prices import ListPrices, Prices
from .telemetry.spans import OpenTelemetryHandler
from .telemetry.totals import MetricsSnapshot, TokenTotals
from .tokens.budget import TokenBudget
from .tokens.budget_manager import TokenBudgetManager
from .tokens.counting import EstimatedTokenCounter, RequestTokenCounter, TokenCounter
from .tokens.images import ImageCost
from .tokens.task import TaskComplexity, TaskDefinition

__all__ = [
    "READERS",
    "BudgetTooSmallError",
    "CallRecord",
    "Category",
    "ContextArchive",
    "ContextCompressor",
    "ContextManager",
    "ContextPrioritizer",
    "ContextStore",
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
    "ImageCost",
    "InstructionKind",
    "LLMLingua",
    "Level",
    "LimitAnswer",
    "LimitSource",
    "Line",
    "ListPrices",
    "MessageGroup",
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
    "PlanningAgent",
    "Prices",
    "Priority",
    "ProjectContext",
    "ProjectContextMemory",
    "PromptCache",
    "RecoveryAgent",
    "RecoveryAttempt",
    "RecoveryResult",
    "RecoveryStrategy",
    "ReportSummary",
    "RequestTokenCounter",
    "SearchHit",
    "Section",
    "StandingInstruction",
    "Summarizer",
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
    "Transform",
    "UnknownHandleError",
    "UnknownModelError",
    "counter_for_model",
    "default_sources",
    "write_report",
]

__version__: str
