"""What a stored bitstream says about itself."""

from preservation.metadata.describer import TOOL_ARGUMENTS, Describer, tool_versions
from preservation.metadata.description import AbsenceReason, Description

__all__ = ["TOOL_ARGUMENTS", "AbsenceReason", "Describer", "Description", "tool_versions"]
