"""Masks of training as files spell them: on a message, or on the whole row, one for each message or each reply.

`weight` OpenAI's and axolotl's, `train` axolotl's and ours, `loss` ms-swift's and AgentInstruct's, `loss_weight`,
`trainable` and `step_loss_mask` those of rollout stores. A row is trained on a reply or it is not: a weight between 0
and 1 cannot be kept, and is told rather than rounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.message import Role

NAMES = ("weight", "loss", "train", "loss_weight", "trainable", "step_loss_mask", "loss_mask", "training")
_WORDS = {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False, "0.0": False}


class UnknownMask(ValueError):
    """A mask says neither yes nor no; the text says which."""


def read_mask(item: Mapping[str, Any]) -> bool | None:
    """Return whether a message, or a row, is trained on; None where nothing is said. One no outweighs every yes.

    Raises:
        UnknownMask: one of the names holds neither.
    """
    said = [_read_one(name, item[name]) for name in NAMES if item.get(name) is not None]
    return all(said) if said else None


def row_masks(value: Mapping[str, Any], roles: Sequence[Role]) -> list[bool | None]:
    """Return what the row itself says of each message: one word for all replies, or a list.

    Raises:
        UnknownMask: a list is as long as neither the messages nor the replies, or holds neither yes nor no.
    """
    found: list[bool | None] = [None] * len(roles)
    for name in NAMES:
        said = value.get(name)
        if said is None:
            continue
        places = [index for index, role in enumerate(roles) if role == "assistant"]
        if isinstance(said, list):
            if len(said) == len(roles):
                said = [said[index] for index in places]
            elif len(said) != len(places):
                raise UnknownMask(
                    f"{name} has {len(said)} entries, for {len(roles)} messages and {len(places)} replies"
                )
        else:
            said = [said] * len(places)
        for index, one in zip(places, said, strict=True):
            if one is not None:
                found[index] = found[index] is not False and _read_one(name, one)
    return found


def _read_one(name: str, said: Any) -> bool:
    if isinstance(said, str):
        said = _WORDS.get(said.strip().lower(), said)
    if isinstance(said, bool) or (isinstance(said, int | float) and said in (0, 1)):
        return bool(said)
    raise UnknownMask(f"{name} = {str(said)[:100]!r} says neither yes nor no")
