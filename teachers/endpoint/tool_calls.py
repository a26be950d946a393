"""Tool calls as the protocol holds them; those that a server without a parser leaves in the text are a dialect's."""

from __future__ import annotations

from schemas.message import ToolCall
from teachers.endpoint.replies import ReplyMessage, as_text


def calls_of(message: ReplyMessage) -> tuple[ToolCall, ...]:
    """Return a message's calls; one without a name calls nothing."""
    return tuple(
        ToolCall(call_id=call.id or f"call_{i}", name=call.function.name, arguments=as_text(call.function.arguments))
        for i, call in enumerate(message.tool_calls or ())
        if call.function.name
    )
