"""Emulated fine-tuning, up-scaled: what a large model would say if it had been tuned as a small one was.

Mitchell et al. 2023 (arXiv 2310.12962): log p(token) = log p_large_base + log p_small_tuned - log p_small_base, for
each next token, renormalised. Three models that share a vocabulary write one reply together, each with its own cache.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from eft.errors import RequestError, is_out_of_memory


@dataclass(frozen=True)
class EmulatedSampling:
    max_tokens: int
    temperature: float = 1.0
    """0 = always the likeliest token."""
    top_p: float = 1.0
    """Share of the emulated distribution that is drawn from, the likeliest tokens first."""
    seed: int | None = None
    """None = another draw each time."""
    stop: tuple[str, ...] = ()
    """Texts that end the reply; none of them stays in it."""
    top_logprobs: int = 0


@dataclass(frozen=True)
class Drawn:
    """A token that was drawn."""

    token: int
    logprob: float
    """Its emulated log-probability, before temperature and top_p."""
    likeliest: tuple[tuple[int, float], ...]
    """The likeliest tokens in its place, with theirs."""


@dataclass(frozen=True)
class EmulatedReply:
    text: str
    drawn: tuple[Drawn, ...]
    """Every token, an end-of-text token included."""
    finish_reason: str
    """stop or length."""


class Listener:
    """One model and its cache, as long as one reply is written."""

    def __init__(self, model: Any) -> None:
        self._model, self._cache = model, None

    def hear(self, tokens: Sequence[int], width: int) -> Any:
        """Return the log-probabilities of the next token, float32 of shape (width,), after these further tokens."""
        ids = torch.tensor([list(tokens)], device=self._model.device)
        with torch.inference_mode():
            said = self._model(input_ids=ids, past_key_values=self._cache, use_cache=True)
        self._cache = said.past_key_values
        return torch.log_softmax(said.logits[0, -1, :width].float(), dim=-1).cpu()


class Emulator:
    """Three models behind one tokenizer; writes one reply at a time."""

    def __init__(self, models: Sequence[Any], tokenizer: Any, ends: Sequence[int]) -> None:
        """Take the models as large base, small tuned, small base; `ends` are the tokens that end a reply."""
        self.models, self.tokenizer, self.ends = tuple(models), tokenizer, frozenset(ends)
        self.width = min(model.get_output_embeddings().weight.shape[0] for model in models)
        """Tokens that all models know: some pad their output beyond the vocabulary, each to another size."""
        lengths = [getattr(model.config, "max_position_embeddings", None) for model in models]
        self.context = min((length for length in lengths if length), default=None)
        """Tokens of prompt and reply together; None = no model names a limit."""

    def write(
        self, prompt: Sequence[int], sampling: EmulatedSampling, given_up: threading.Event | None = None
    ) -> EmulatedReply:
        """Write a reply to a prompt's tokens; `given_up` ends it early.

        Raises:
            RequestError: the prompt fills the models' context, or the memory.
        """
        room = self._room(prompt, sampling.max_tokens)
        drawn: list[Drawn] = []
        try:
            for one in self._draw(prompt, sampling):
                drawn.append(one)
                text, stopped = self._read(drawn, sampling.stop)
                if stopped or len(drawn) == room or (given_up and given_up.is_set()):
                    return EmulatedReply(text, tuple(drawn), "stop" if stopped else "length")
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise RequestError(_too_large(prompt), code="out_of_memory") from error
            raise
        raise AssertionError("drawing never ends by itself")

    def distributions(self, prompt: Sequence[int]) -> _Distributions:
        """Begin a text: gives the emulated log-probabilities after it, and after each further token."""
        return _Distributions([Listener(model) for model in self.models], prompt, self.width)

    def _room(self, prompt: Sequence[int], max_tokens: int) -> int:
        if self.context is None:
            return max_tokens
        if len(prompt) >= self.context:
            raise RequestError(
                f"This model's maximum context length is {self.context} tokens, and the messages are {len(prompt)}. "
                "Please reduce the length of the messages.",
                param="messages",
                code="context_length_exceeded",
            )
        return int(min(max_tokens, self.context - len(prompt)))

    def _draw(self, prompt: Sequence[int], sampling: EmulatedSampling) -> Iterator[Drawn]:
        dice = torch.Generator()
        dice.seed() if sampling.seed is None else dice.manual_seed(sampling.seed % 2**63)
        after = self.distributions(prompt)
        while True:
            token = choose(after.logprobs, sampling, dice)
            top = torch.topk(after.logprobs, sampling.top_logprobs)
            likeliest = tuple(zip(top.indices.tolist(), top.values.tolist(), strict=True))
            yield Drawn(token, float(after.logprobs[token]), likeliest)
            after.add(token)

    def _read(self, drawn: Sequence[Drawn], stops: Sequence[str]) -> tuple[str, bool]:
        """Return the text so far and whether it has come to its end."""
        ended = drawn[-1].token in self.ends
        tokens = [one.token for one in drawn[: -1 if ended else None]]
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True)
        places = [place for place in (text.find(stop) for stop in stops) if place >= 0]
        return (text[: min(places)], True) if places else (text, ended)


class _Distributions:
    """The emulated distribution after a text that grows token by token."""

    def __init__(self, listeners: Sequence[Listener], prompt: Sequence[int], width: int) -> None:
        self._listeners, self._width = listeners, width
        self.logprobs = self._hear(prompt)

    def add(self, token: int) -> None:
        self.logprobs = self._hear([token])

    def _hear(self, tokens: Sequence[int]) -> Any:
        return emulate(*(listener.hear(tokens, self._width) for listener in self._listeners))


def emulate(large_base: Any, small_tuned: Any, small_base: Any) -> Any:
    """Combine log-probabilities of shape (width,) by the formula; what no model allows stays impossible."""
    total = torch.nan_to_num(large_base + small_tuned - small_base, nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
    return torch.log_softmax(total, dim=-1)


def choose(logprobs: Any, sampling: EmulatedSampling, dice: Any) -> int:
    """Draw a token: the likeliest at temperature 0, else by chance among the likeliest that make up top_p."""
    if sampling.temperature == 0:
        return int(logprobs.argmax())
    chances, tokens = torch.softmax(logprobs.double() / sampling.temperature, dim=-1).sort(descending=True, stable=True)
    before = chances.cumsum(dim=-1) - chances
    kept = torch.where(before < sampling.top_p, chances, 0.0)
    kept[0] = chances[0]
    return int(tokens[torch.multinomial(kept, 1, generator=dice)])


def _too_large(prompt: Sequence[int]) -> str:
    return (
        f"The memory does not hold a text of {len(prompt)} tokens beside the three models. Send fewer tokens, or start "
        "python -m eft with smaller models, --dtype bfloat16 or another --device."
    )
