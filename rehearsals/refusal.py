"""What the offline teacher's endpoint refuses, in OpenAI's words."""

from __future__ import annotations


class BadRequest(Exception):
    """A body that OpenAI would refuse as well."""

    def __init__(self, message: str, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
