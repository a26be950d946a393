"""A chat template and the tokenizer beside it, read from the folder that transformers' `save_pretrained` writes.

Nothing is fetched and no code of the folder runs but the template, in Jinja's sandbox.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jinja2
import orjson

from formats.templates.chat_jinja import Rendered, Span, compile_template, render_chat
from schemas.errors import ConfigError, InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from formats.templates.kind import Kind

Chat = Sequence[Mapping[str, Any]]
"""Messages as chat templates take them."""
Tools = Sequence[Mapping[str, Any]] | None

_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""TokenizedText that a template may name."""


class TemplateRefusal(InputError):
    """The template raises on a conversation: Llama 2's on a second user turn, Gemma's on a system text."""


class TokenizedText(NamedTuple):
    """A text in tokens."""

    ids: tuple[int, ...]
    spans: tuple[Span, ...]
    """The characters that each stands for."""

    def covering(self, spans: Sequence[Span]) -> tuple[int, ...]:
        """Return the places of the tokens that share a character with any of some spans, as transformers counts."""
        return tuple(at for at, token in enumerate(self.spans) if any(token.overlaps(span) for span in spans))


class Template:
    """A tokenizer's chat template.

    Attributes:
        source: the Jinja text.
        name: where it is from, for messages.
        special: text by name of the tokens that it may name, such as `bos_token`.
        tool_source: the text for conversations with tools, where it is another.
    """

    def __init__(
        self,
        source: str,
        tokenizer: Tokenizer | None = None,
        *,
        name: str = "the template",
        special: Mapping[str, str] | None = None,
        tool_source: str | None = None,
    ) -> None:
        self.source, self.name, self.tool_source = source, name, tool_source or source
        self.special = dict(special or {})
        self._tokenizer = tokenizer
        for text in (self.source, self.tool_source):
            try:
                compile_template(text)
            except jinja2.TemplateSyntaxError as error:
                raise ConfigError(f"{name} is no chat template: line {error.lineno}: {error.message}") from error

    @property
    def is_marked(self) -> bool:
        """Whether it says itself what is generated, with `{% generation %}`."""
        return "generation %}" in self.source or "generation -%}" in self.source

    @functools.cached_property
    def kind(self) -> Kind:
        """Return how it treats what was said before: see `formats.templates.kind`."""
        from formats.templates.kind import classify

        return classify(self)

    def render(self, messages: Chat, tools: Tools = None, *, prompt: bool = False, **given: Any) -> Rendered:
        """Render a conversation; with `prompt` up to where the next reply begins.

        Raises:
            TemplateRefusal: the template does not take it.
        """
        source = self.tool_source if tools else self.source
        try:
            given = {**self.special, **given, "add_generation_prompt": prompt}
            return render_chat(source, messages, tools=tools or None, **given)
        except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
            roles = ", ".join(str(message.get("role")) for message in messages[:8]) + (", ..." if messages[8:] else "")
            raise TemplateRefusal(f"{self.name} refuses a conversation of {roles}: {error}") from error

    def tokenize(self, text: str) -> TokenizedText:
        """Return a rendered text in tokens; nothing is added, the template wrote every special token."""
        if self._tokenizer is None:
            raise ConfigError(f"{self.name} came without a tokenizer, so its tokens cannot be counted")
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return TokenizedText(tuple(encoded.ids), tuple(Span(*pair) for pair in encoded.offsets))

    def decode(self, ids: Sequence[int]) -> str:
        """Return tokens as text, special ones among them."""
        assert self._tokenizer is not None
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    @functools.cached_property
    def control_tokens(self) -> tuple[str, ...]:
        """Return the special tokens' texts: one that stands in a message is read as the token itself."""
        added = self._tokenizer.get_added_tokens_decoder().values() if self._tokenizer else ()
        return tuple(sorted({token.content for token in added if token.special} | set(self.special.values())))


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load the tokenizer in a folder, its chat template apart.

    Raises:
        ConfigError: it is no tokenizer.
    """
    import tokenizers

    held = folder / "tokenizer.json"
    if not held.is_file():
        raise ConfigError(
            f"{folder} is no tokenizer: it holds no tokenizer.json. "
            "Save one there: AutoTokenizer.from_pretrained(MODEL).save_pretrained(DIR)"
        )
    try:
        return tokenizers.Tokenizer.from_file(str(held))
    except Exception as error:  # the library raises the bare class
        raise ConfigError(f"{held} is no tokenizer: {error}") from error


def load_template(folder: Path, template_file: Path | None = None) -> Template:
    """Load the tokenizer in a folder and its chat template, or the one in `template_file`.

    Raises:
        ConfigError: it is no tokenizer, or has no chat template.
    """
    tokenizer = load_tokenizer(folder)
    config = _read_object(folder / "tokenizer_config.json")
    special = _read_special(_read_object(folder / "special_tokens_map.json") | config)
    sources = {"default": _read_text(template_file)} if template_file else _find_sources(folder, config)
    source = sources.get("default") or next(iter(sources.values()), None)
    if source is None:
        raise ConfigError(
            f"{folder} has no chat template: neither chat_template.jinja nor chat_template in tokenizer_config.json. "
            "It may be a base model's; take the tokenizer of the model as it is trained, or put the template there"
        )
    name = str(template_file or folder)
    return Template(source, tokenizer, name=name, special=special, tool_source=sources.get("tool_use"))


def _find_sources(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    """Return templates by name; files go before the configuration, as in transformers."""
    held = config.get("chat_template")
    found = {"default": held} if isinstance(held, str) else {}
    if isinstance(held, list):
        found = {str(one["name"]): str(one["template"]) for one in held if isinstance(one, dict) and "template" in one}
    if (folder / "chat_template.jinja").is_file():
        found["default"] = _read_text(folder / "chat_template.jinja")
    for path in sorted(folder.glob("additional_chat_templates/*.jinja")):
        found[path.stem] = _read_text(path)
    return found


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{path} cannot be read as a chat template: {error}") from error


def _read_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        held = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(held, dict):
        raise ConfigError(f"{path} cannot be read: it holds no object")
    return held


def _read_special(config: Mapping[str, Any]) -> dict[str, str]:
    found = {name: config.get(name) for name in _SPECIAL}
    texts = {name: held["content"] if isinstance(held, dict) else held for name, held in found.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}
