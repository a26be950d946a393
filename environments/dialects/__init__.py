"""Dialects that worlds share: ReAct text, native tool calls, rounds without memory."""
