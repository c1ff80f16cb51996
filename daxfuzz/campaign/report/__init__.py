"""The report of a campaign: one HTML page that needs nothing else."""

from daxfuzz.campaign.report.page import as_html

__all__ = ["as_html"]
