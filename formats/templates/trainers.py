"""Where each trainer counts the loss, read in its source and in no exporter of ours, so that it can judge them.

tests/trainers/ holds the rules against the trainers themselves, where these install.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from schemas.errors import ConfigError

How = Literal["marks", "turns", "text", "documented"]
"""Of rows of messages: within the template's `{% generation %}` marks; within whole turns, told by rendering what came
before; within turns that the trainer's own prompt text tells apart; where a service's documents say. Rows of prompt and
completion count after the tokens that prompt and whole begin with alike, rows of tokens where the label is not -100."""


class Trainer(NamedTuple):
    """How one trainer reads rows."""

    name: str
    """Of the export as well."""
    how: How
    flag: str | None
    """The field of a message that says whether loss counts on it; None: it counts on every reply, or the last."""
    source: str
    """Where that was read."""
    parses_arguments: bool = False
    """Whether its template gets a call's arguments as an object even if they are JSON text in the row."""
    own_marks: tuple[str, ...] = ()
    """Texts in a message that it takes for the ends of turns: from there on its mask is wrong."""


TRAINERS: Mapping[str, Trainer] = {
    one.name: one
    for one in (
        Trainer("trl", "marks", None, "trl 1.16.0 trainer/sft_trainer.py: tokenize_fn, build_labels"),
        Trainer("axolotl", "turns", "train", "axolotl 0.21.0 prompt_strategies/chat_template.py", True),
        Trainer("ms-swift", "turns", "loss", "ms-swift 4.6.0 template/base.py, loss_scale/base.py", True),
        Trainer("llamafactory", "turns", None, "llamafactory 0.9.5 data/processor/supervised.py", True),
        Trainer("llamafactory-v1", "turns", "loss_weight", "llamafactory 0.9.5 v1/core/utils/rendering.py", True),
        Trainer(
            "fastchat",
            "text",
            None,
            "fschat 0.2.36 train/train.py: preprocess",
            own_marks=(" ASSISTANT: ", "</s>"),
        ),
        Trainer("verl", "turns", None, "verl 0.9.1 utils/dataset/multiturn_sft_dataset.py"),
        Trainer("openrlhf", "turns", None, "OpenRLHF 0.11.2 datasets/sft_dataset.py"),
        Trainer("megatron-lm", "turns", None, "megatron-core 0.19.2 tokenizers/text/libraries/sft_tokenizer.py"),
        Trainer("megatron-bridge", "turns", None, "Megatron-Bridge 0.6.2 data/conversation_processing.py", True),
        Trainer("slime", "turns", "step_loss_mask", "slime utils/mask_utils.py"),
        Trainer("tinker", "turns", "trainable", "tinker-cookbook 0.6.1 renderers/base.py: TrainOnWhat.CUSTOMIZED"),
        Trainer("openai", "documented", "weight", "OpenAI's API: `weight` 0 or 1 on assistant messages"),
        Trainer("mistral", "documented", "weight", "Mistral's API: `weight` 0 or 1 on assistant messages"),
        Trainer("together", "documented", "weight", "Together's API: `weight` 0 or 1 on assistant messages"),
        Trainer("fireworks", "documented", "weight", "Fireworks' API: `weight` 0 or 1 on assistant messages"),
    )
}


def find_trainer(name: str) -> Trainer:
    """Return the trainer of that name.

    Raises:
        ConfigError: there is none; the text lists those that there are.
    """
    if name not in TRAINERS:
        raise ConfigError(f"unknown trainer {name!r}; masks are proven for: {', '.join(TRAINERS)}")
    return TRAINERS[name]
