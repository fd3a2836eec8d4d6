"""All findings of a machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from augengine.doctor.finding import Finding
from augengine.doctor.packages import look_at_packages


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """All that was found out about a machine."""

    findings: tuple[Finding, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing was found that makes a command fail."""
        return all(finding.level != "problem" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"well": self.is_well, "findings": [asdict(finding) for finding in self.findings]}


def examine() -> Examination:
    """Look at packages, processor, GPU, room, generators and engines; nothing is changed, and nothing compiled."""
    return Examination(findings=(*look_at_packages(), *_what_writes()))


def _what_writes() -> list[Finding]:
    """Findings that need the packages which write datasets; one finding where these are missing."""
    try:
        from augengine.doctor.hardware import look_at_hardware
        from augengine.doctor.made import look_at_what_was_made
    except ModuleNotFoundError as error:
        advice = "pip install 'augengine[write]' writes datasets; reading them works without"
        return [Finding(what="engines", value=f"{error.name} is not installed", level="problem", advice=advice)]
    return [*look_at_hardware(), *look_at_what_was_made()]
