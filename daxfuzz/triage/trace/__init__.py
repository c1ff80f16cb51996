"""An execution as data for readers: who did what where, what changed, who waited for whom."""

from daxfuzz.triage.trace.names import shown_function, shown_value
from daxfuzz.triage.trace.relevant import relevant
from daxfuzz.triage.trace.step import Holding, Place, Step, TaskView, Trace
from daxfuzz.triage.trace.watcher import trace_of

__all__ = ["Holding", "Place", "Step", "TaskView", "Trace", "relevant", "shown_function", "shown_value", "trace_of"]
