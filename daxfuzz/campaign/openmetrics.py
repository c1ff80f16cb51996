"""The figures of a campaign as OpenMetrics text, for Prometheus and whatever else scrapes that."""

from __future__ import annotations

from collections import Counter as Tally

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from daxfuzz.campaign.directory import METRICS, Directory
from daxfuzz.program.whole_file import save_bytes


class Figures(Collector):
    """The figures of a campaign as metrics."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory

    def collect(self) -> list[Metric]:
        """All of them. Names are stable."""
        directory = self.directory
        totals = directory.totals
        found = Tally(("stale" if each.stale else "live") for each in directory.findings.known.values())
        findings = GaugeMetricFamily("daxfuzz_findings", "Different findings.", labels=["state"])
        for state in ("live", "stale"):
            findings.add_metric([state], found[state])
        return [
            CounterMetricFamily("daxfuzz_running_seconds", "Time that the campaign has run.", value=totals.running),
            CounterMetricFamily("daxfuzz_executions", "Executions.", value=totals.whole.executions),
            CounterMetricFamily("daxfuzz_steps", "Steps of all executions.", value=totals.whole.steps),
            CounterMetricFamily("daxfuzz_lost_jobs", "Jobs whose worker has died.", value=totals.lost),
            CounterMetricFamily("daxfuzz_errors", "Jobs that have failed.", value=totals.errors),
            GaugeMetricFamily("daxfuzz_pending", "Failures that wait for triage.", len(directory.pending.waiting)),
            GaugeMetricFamily(
                "daxfuzz_canary_alive", "1 if the last hunt has found the planted bug.", float(totals.canary.alive)
            ),
            findings,
            *self._by_kernel(),
            *self._by_way(),
        ]

    def _by_kernel(self) -> list[Metric]:
        features = GaugeMetricFamily("daxfuzz_features", "Features seen.", labels=["kernel"])
        inputs = GaugeMetricFamily("daxfuzz_corpus_inputs", "Inputs of the corpus.", labels=["kernel"])
        for name, corpus in self.directory.corpora.items():
            features.add_metric([name], len(corpus.features))
            inputs.add_metric([name], len(corpus.entries))
        return [features, inputs]

    def _by_way(self) -> list[Metric]:
        slices = CounterMetricFamily("daxfuzz_slices", "Slices.", labels=["kernel", "engine", "strategy"])
        seconds = CounterMetricFamily(
            "daxfuzz_slice_seconds", "Time of slices.", labels=["kernel", "engine", "strategy"]
        )
        for arm, past in self.directory.totals.by_arm.items():
            slices.add_metric(arm, past.slices)
            seconds.add_metric(arm, past.seconds)
        return [slices, seconds]


def metrics(directory: Directory) -> bytes:
    """The text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Figures(directory))
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text


def save_metrics(directory: Directory) -> None:
    """Write it into the directory. Raises OSError."""
    save_bytes(directory.path / METRICS, metrics(directory))
