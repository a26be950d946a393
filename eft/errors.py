"""What can be wrong with the models or with a request, in words that end with what to do."""

from __future__ import annotations


class ModelError(Exception):
    """The models cannot be used together, or do not fit: nothing was served."""


class RequestError(Exception):
    """A request that cannot be answered; worded as OpenAI words a refusal."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the machine or its card had no memory left; torch has a type for the card alone."""
    return isinstance(error, MemoryError) or "out of memory" in str(error) or "can't allocate memory" in str(error)
