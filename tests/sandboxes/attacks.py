"""The table of attacks."""

from __future__ import annotations

from tests.sandboxes.attacks_on_files import FILES
from tests.sandboxes.attacks_on_kernel import KERNEL
from tests.sandboxes.attacks_on_limits import LIMITS
from tests.sandboxes.attacks_on_neighbours import NEIGHBOURS
from tests.sandboxes.attacks_on_resources import RESOURCES

ATTACKS = (*RESOURCES, *FILES, *KERNEL, *NEIGHBOURS, *LIMITS)
