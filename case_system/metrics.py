"""Prometheus text: what this server answered, and what the database says of the programme.

Answers are counted where they are given. With several workers each counts into files of its own in the folder that `serve` names by
PROMETHEUS_MULTIPROC_DIR, and whoever is asked adds them up; what is counted in the database is the same from everyone. Counts, ages and
codes only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from case_system.measures import ACCEPT_BUCKETS_S, Measures
from referral.port import Receipt

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client's own


class Metrics:
    """The counters of one process, and the page."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.sync_seconds = Histogram("lead_sync_seconds", "Seconds spent on one sync request", registry=self._registry)
        self._answers = Counter("lead_http_answers_total", "Answers by status", ["status"], registry=self._registry)
        self._refusals = Counter(
            "lead_refusals_total", "Requests that were refused, by problem code", ["code"], registry=self._registry
        )
        self._operations = Counter(
            "lead_operations_total", "What operations were answered", ["outcome", "code"], registry=self._registry
        )

    def answered(self, status: int) -> None:
        """One more answer."""
        self._answers.labels(status=str(status)).inc()

    def refused(self, code: str) -> None:
        """One more refused request."""
        self._refusals.labels(code=code).inc()

    def filed(self, results: tuple[Receipt, ...]) -> None:
        """What a sync answered."""
        for receipt in results:
            code = "" if receipt.code is None else receipt.code.value
            self._operations.labels(outcome=receipt.outcome.value, code=code).inc()

    def page(self, figures: Mapping[str, float], measures: Measures) -> bytes:
        """The text of /metrics."""
        counted = self._registry
        if os.environ.get(FOLDER_VARIABLE):
            counted = CollectorRegistry()
            MultiProcessCollector(counted)  # type: ignore[no-untyped-call]  # the library says no types there
        programme = CollectorRegistry()
        programme.register(_Programme(figures, measures))
        return generate_latest(counted) + generate_latest(programme)


class _Programme(Collector):
    """The database's numbers of one moment."""

    def __init__(self, figures: Mapping[str, float], measures: Measures) -> None:
        self._figures, self._measures = figures, measures

    def collect(self) -> Iterator[Metric]:
        for name, value in (*self._figures.items(), *self._measures.numbers.items()):
            yield GaugeMetricFamily(f"lead_{name}", name.replace("_", " "), value=value)
        for (name, label), values in self._measures.by_word.items():
            family = GaugeMetricFamily(f"lead_{name}", f"{name.replace('_', ' ')} by {label}", labels=[label])
            for word, value in sorted(values.items()):
                family.add_metric([word], value)
            yield family
        tops = [*(str(float(top)) for top in ACCEPT_BUCKETS_S), "+Inf"]
        buckets = list(zip(tops, map(float, self._measures.accepted), strict=True))
        text = "Seconds from the offer of a handoff to its acceptance by a named person"
        yield HistogramMetricFamily("lead_accept_seconds", text, buckets=buckets, sum_value=self._measures.accepted_s)
