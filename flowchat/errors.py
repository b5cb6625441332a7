"""What can go wrong, drawn once; every error is one sentence that names the value and the way out.

FlowchatError
├── CommandRefused      the session cannot do that now; nothing was changed
│   ├── Busy            a run or a compaction is under way
│   ├── NotRunning      there is nothing to stop or to steer
│   ├── QueueFull       the queue holds its maximum
│   ├── NotFound        no such message, item, session
│   ├── NotUserMessage  only user messages can be edited
│   ├── BlankMessage    nothing to send
│   ├── AlreadyExists   the same client id with another text
│   ├── NoModel         no model is set or found
│   └── ReadOnly        the session is open for reading only
├── StorageFailed       the user data dir cannot be written or read
├── UsageError          the command line or a settings file is invalid
├── ModelError          the wire: model/model.py
└── ToolError           the machine: tools/tool.py
"""

from typing import ClassVar


class FlowchatError(Exception):
    """Base of everything we raise on purpose; `str(error)` is a sentence for a person."""

    code: ClassVar[str] = "internal"


class CommandRefused(FlowchatError):
    """A session command that changed nothing."""


class Busy(CommandRefused):
    code = "busy"


class NotRunning(CommandRefused):
    code = "not_running"


class QueueFull(CommandRefused):
    code = "queue_full"


class NotFound(CommandRefused):
    code = "not_found"


class NotUserMessage(CommandRefused):
    code = "not_user_message"


class BlankMessage(CommandRefused):
    code = "blank_message"


class AlreadyExists(CommandRefused):
    code = "already_exists"


class NoModel(CommandRefused):
    code = "no_model"


class ReadOnly(CommandRefused):
    code = "read_only"


class StorageFailed(FlowchatError):
    code = "storage"


class UsageError(FlowchatError):
    code = "usage"


class ModelError(FlowchatError):
    """Base of the tree in model/model.py."""

    code = "model_error"


class ToolError(FlowchatError):
    """Base of the tree in tools/tool.py: becomes the call's answer."""

    code = "tool_error"
