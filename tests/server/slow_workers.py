"""Workers whose jobs take as long as the job's seed says: tenths of a second. A script for the
tests of the queue: rq, Redis, processes and pipes are real, only the painting is not."""

from __future__ import annotations

import os
import sys
import time

from sfumato.errors import UsageError
from sfumato.server import worker
from sfumato.server.work import MANIFEST, PREVIEW
from sfumato.types import Step

CRASH, COMPLAIN = 1001, 1002
"""Seeds of jobs that take their process down, and that fail with a sentence."""


class SlowWorkshop:
    """Copies what was sent, slowly."""

    def __init__(self, device, max_pixels):
        self.jobs = 0

    def do(self, task, tell, watch=None):
        self.jobs += 1
        seed = task.order["seed"]
        if seed == CRASH:
            os._exit(3)
        if seed == COMPLAIN:
            raise UsageError(f"{task.path('photo')} shows nothing")
        try:
            for i in range(seed):
                time.sleep(0.1)
                if watch:
                    (task.folder / PREVIEW).write_bytes(b"preview %d" % i)
                    watch(Step(number=i, total=seed, height=8, width=8), bytes)
                else:
                    tell("find", i / seed)
        except KeyboardInterrupt:
            pass  # keep what there is
        (task.folder / MANIFEST).write_text(f'{{"jobs": {self.jobs}, "process": {os.getpid()}}}')
        (task.folder / "result.png").write_bytes(task.path("photo").read_bytes() * 2)
        return "result.png"


worker.Workshop = SlowWorkshop

if __name__ == "__main__":
    from sfumato.server import rq_line, rq_worker
    from sfumato.server.redis_book import connect

    rq_worker.LOST = rq_line.LOST = 5
    rq_worker.CLEAN, rq_worker.BEAT = 1, 0.5
    rq_worker.PATIENCE = float(sys.argv[3])
    rq_worker.work(connect(sys.argv[1]), worker.Limits(seconds=20), int(sys.argv[2]))
