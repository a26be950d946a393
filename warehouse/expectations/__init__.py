"""What tables and mixtures promise beyond one row's shape, checked with Great Expectations."""

from __future__ import annotations

from warehouse.expectations.checks import CHECKED, STAGES_DIGEST
from warehouse.expectations.report import FailedCheck, StageReport
from warehouse.expectations.validation import load_validator, validate_mixture, validate_stage, validate_stages

__all__ = [
    "CHECKED",
    "STAGES_DIGEST",
    "FailedCheck",
    "StageReport",
    "load_validator",
    "validate_mixture",
    "validate_stage",
    "validate_stages",
]
