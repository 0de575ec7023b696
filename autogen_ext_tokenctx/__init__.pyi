from .context.archive import ContextArchive
from .context.compression import ContextCompressor
from .context.embedding import Embedder, MiniLMEmbedder
from .context.manager import ContextManager
from .context.optimizer import ModelOptimizer
from .context.priority import Category, ContextPrioritizer
from .context.project import ProjectContext, Section
from .context.report import FitReport, FitResult, FitStep, Form, Level
from .errors import BudgetTooSmallError, TokenCtxError, UnknownHandleError, UnknownModelError
from .hooks.chat_client import TokenBudgetChatCompletionClient
from .hooks.chat_context import TokenBudgetChatCompletionContext
from .hooks.memory import ProjectContextMemory
from .hooks.planning import TaskDecomposer
from .hooks.plans import ExecutionPlan, PlanStep
from .hooks.recovery import ErrorRecovery, RecoveryResult
from .hooks.strategies import RecoveryStrategy
from .hooks.transforms import MessageTransform
from .tokens.budget import TokenBudget
from .tokens.budget_manager import TokenBudgetManager
from .tokens.counting import EstimatedTokenCounter, TiktokenCounter, TokenCounter, counter_for_model
from .tokens.limits import TokenConfig, TokenManager
from .tokens.model_limits import ModelLimits
from .tokens.profiles import ModelProfile
from .tokens.task import TaskComplexity, TaskDefinition

__all__ = [
    "BudgetTooSmallError",
    "Category",
    "ContextArchive",
    "ContextCompressor",
    "ContextManager",
    "ContextPrioritizer",
    "Embedder",
    "ErrorRecovery",
    "EstimatedTokenCounter",
    "ExecutionPlan",
    "FitReport",
    "FitResult",
    "FitStep",
    "Form",
    "Level",
    "MessageTransform",
    "MiniLMEmbedder",
    "ModelLimits",
    "ModelOptimizer",
    "ModelProfile",
    "PlanStep",
    "ProjectContext",
    "ProjectContextMemory",
    "RecoveryResult",
    "RecoveryStrategy",
    "Section",
    "TaskComplexity",
    "TaskDecomposer",
    "TaskDefinition",
    "TiktokenCounter",
    "TokenBudget",
    "TokenBudgetChatCompletionClient",
    "TokenBudgetChatCompletionContext",
    "TokenBudgetManager",
    "TokenConfig",
    "TokenCounter",
    "TokenCtxError",
    "TokenManager",
    "UnknownHandleError",
    "UnknownModelError",
    "counter_for_model",
]

__version__: str
