"""Rows as tokens: `input_ids`, and `labels` that are -100 where the loss does not count (what TRL takes as it is).

A reply is what its template writes after the prompt, up to where the reply's rendering ends; both must stand in the
whole as they stand alone, and no token may reach over the border, else the row is left out for a reason.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from formats.releases.release_folder import ReleaseRow
from formats.releases.spoken import spoken, tools_of
from formats.templates.chat_jinja import Span
from formats.templates.kind import Kind
from formats.templates.template import Template, TemplateRefusal, load_template
from schemas.errors import ConfigError, ExpectationError

IGNORED = -100
REFUSED, MOVED, ACROSS, CONTROL = "template_refuses", "template_moves", "token_across", "control_token"
REASONS = {
    REFUSED: "is a conversation that the tokenizer's template does not take",
    MOVED: "has a reply that the template writes otherwise than after its prompt alone",
    ACROSS: "has a reply whose first token reaches into the prompt",
    CONTROL: "holds the text of one of the tokenizer's special tokens, which would be read as the token",
}


class TokenizedRows:
    """A tokenizer with a template that can be trained on.

    Attributes:
        template: the template.
        kind: whether it keeps or rewrites what was said before.
        details: by reason, what the first row that was left out for it is like.
    """

    def __init__(self, template: Template, kind: Kind) -> None:
        self.template, self.kind = template, kind
        self.details: dict[str, str] = {}

    def _leave(self, reason: str, row: ReleaseRow, detail: str) -> str:
        self.details.setdefault(reason, f"row {row.id}: {detail}")
        return reason

    def find_replies(self, row: ReleaseRow) -> tuple[str, list[Span]] | str:
        """Return a row as its template writes it and where in that its trained replies are, or the reason why not."""
        said = [text for one in row.messages for text in (one.spelled, one.reasoning_content or "")]
        if held := [token for token in self.template.control_tokens if any(token in text for text in said)]:
            return self._leave(CONTROL, row, f"it holds {', '.join(held)}")
        messages = spoken(row.messages)
        tools = tools_of(row.tools).get("tools")
        try:
            whole = self.template.render(messages, tools).text
            replies = []
            for at in (index for index, message in enumerate(row.messages) if message.train):
                prompt = self.template.render(messages[:at], tools, prompt=True).text
                full = self.template.render(messages[: at + 1], tools).text
                if not (full.startswith(prompt) and whole.startswith(full)):
                    return self._leave(MOVED, row, f"turn {at} stands otherwise in the whole than after its prompt")
                replies.append(Span(len(prompt), len(full)))
        except TemplateRefusal as error:
            return self._leave(REFUSED, row, str(error))
        return whole, replies

    def encode(self, row: ReleaseRow) -> dict[str, Any] | str:
        """Return a row as tokens, or the reason why not."""
        found = self.find_replies(row)
        if isinstance(found, str):
            return found
        whole, replies = found
        tokens = self.template.tokenize(whole)
        trained = tokens.covering(replies)
        if any(not _is_within(tokens.spans[at], replies) for at in trained):
            return self._leave(ACROSS, row, "a token of the reply begins in the prompt")
        labels = [IGNORED] * len(tokens.ids)
        for at in trained:
            labels[at] = tokens.ids[at]
        return {"id": row.id, "input_ids": list(tokens.ids), "labels": labels}


def _is_within(token: Span, replies: list[Span]) -> bool:
    return any(reply.start <= token.start and token.end <= reply.end for reply in replies)


def look_at_template(folder: Path) -> TokenizedRows:
    """Load a tokenizer and judge its chat template.

    Raises:
        ConfigError: it is no tokenizer, has no template, or one that no row can be trained with.
    """
    template = load_template(folder)
    try:
        kind = template.kind
    except ExpectationError as error:
        raise ConfigError(f"{error}. Take another template") from error
    if kind == "unstable":
        raise ConfigError(
            f"the chat template of {folder} is unstable: a reply does not begin where its prompt ends, so that no row "
            "shows what the model will see. Take another template"
        )
    return TokenizedRows(template, kind)
