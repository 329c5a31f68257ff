"""The gradient check, node by node and end to end."""

from .nodes import check
from .report import Finding, Report

__all__ = ["Finding", "Report", "check"]
