"""Notices when Ollama has dropped the head of a conversation: it says nothing, and answers what is left.

Its context is 4,096 tokens where nobody set another (github.com/ollama/ollama/issues/17889). Only `prompt_tokens` gives
it away: too few for the bytes that were sent.
"""

from __future__ import annotations

from schemas.completion import CompletionRequest
from teachers.endpoint.failures import question_too_long
from teachers.endpoint.replies import Reply

_OLLAMA = "fp_ollama"
_LEAST_TOKENS = 1_000
"""Half of 2,048, the smallest context that was ever the default: truncation leaves no less. Ollama before 0.4 counts
only what it had not read before; in a conversation that goes on that is little."""
_MOST_BYTES = 8.0
"""Bytes a token, over a whole prompt, that no language reaches with today's vocabularies (Russian comes near 7)."""
_FACTOR = 1.8
"""Above this, times what the model's earlier prompts had, text has gone missing; prose and code differ by 1.5."""


class ContextGuard:
    """Knows how many bytes a token of each model has."""

    def __init__(self) -> None:
        self._whole: dict[str, tuple[int, int]] = {}
        """Bytes and tokens of prompts that arrived whole."""

    def require_whole(self, request: CompletionRequest, reply: Reply, url: str) -> None:
        """Make sure that the model saw all that was sent; other servers than Ollama refuse what they cannot hold.

        Raises:
            ContextOverflow: about half of the prompt or more is missing.
        """
        tokens = reply.usage.prompt_tokens
        if reply.system_fingerprint != _OLLAMA or tokens is None or tokens < _LEAST_TOKENS:
            return
        sent = sum(len(message.content.encode()) for message in request.messages)
        seen_bytes, seen_tokens = self._whole.get(request.model, (0, 0))
        most = min(_MOST_BYTES, _FACTOR * seen_bytes / seen_tokens) if seen_tokens else _MOST_BYTES
        if sent / tokens > most:
            said = f"of {sent:,} bytes sent it read {tokens:,} tokens and dropped the rest without a word"
            raise question_too_long(url, request.model, f"{said}; set OLLAMA_CONTEXT_LENGTH, or num_ctx in a Modelfile")
        self._whole[request.model] = (seen_bytes + sent, seen_tokens + tokens)
