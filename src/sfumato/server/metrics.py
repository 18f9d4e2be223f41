"""Counts for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as generate

from sfumato.server.jobs import Job

BUCKETS = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 900)


class Metrics:
    """One set of counts; each server has its own."""

    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._jobs = Counter(
            "sfumato_jobs", "Jobs that are over.", ["kind", "state"], registry=self._registry
        )
        self._seconds = Histogram(
            "sfumato_job_seconds", "From start to end of a job.", ["kind"],
            buckets=BUCKETS, registry=self._registry,
        )  # fmt: skip
        self._line = Gauge(
            "sfumato_jobs_now", "Jobs that wait or run.", ["state"], registry=self._registry
        )

    def ended(self, job: Job) -> None:
        """Count a job that is over."""
        self._jobs.labels(job.kind, job.state).inc()
        if job.started is not None and job.ended is not None:
            self._seconds.labels(job.kind).observe(job.ended - job.started)

    def text(self, load: Mapping[str, int]) -> bytes:
        """All counts in Prometheus' format; ``load``: how many jobs wait and run now."""
        for state, count in load.items():
            self._line.labels(state).set(count)
        return generate(self._registry)
