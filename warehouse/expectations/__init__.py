"""What tables and mixtures promise beyond one row's shape, checked with Great Expectations."""

from __future__ import annotations

from warehouse.expectations.report import Failure, StageReport
from warehouse.expectations.validation import validate_mixture, validate_stage, validate_stages

__all__ = ["Failure", "StageReport", "validate_mixture", "validate_stage", "validate_stages"]
