"""What must hold before a cycle may start: facts gathered once, then an ordered tuple of checks."""

from services.reviews.domain.preflight.checks import LAUNCH_CHECKS, Check, Report, examine
from services.reviews.domain.preflight.facts import FormFacts, LaunchFacts, OtherCycle

__all__ = ["LAUNCH_CHECKS", "Check", "FormFacts", "LaunchFacts", "OtherCycle", "Report", "examine"]
