"""Which deployments there are: those of deployments/prefect.yaml, read without Prefect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from flows.configuration import CONFIGS
from schemas.errors import ConfigError

PREFECT_FILE = CONFIGS.parent / "prefect.yaml"
DEFAULT = ("nightly", "upkeep", "verify")
"""What is served where nothing is named."""


def named_deployments(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the entries of these deployments.

    Raises:
        ConfigError: there is no deployment of such a name.
    """
    known = {entry["name"]: entry for entry in yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))["deployments"]}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"no deployment {', '.join(unknown)} in {PREFECT_FILE}; there are: {', '.join(known)}")
    return [known[name] for name in names]
