"""The portal's settings with a quick heart, for workers that are about to be killed."""

import json
import os
from datetime import timedelta

from portal.settings import *  # noqa: F403, TID251 -- the very settings, but for a few numbers
from portal.settings import CELERY_BEAT_SCHEDULE as ROUNDS  # noqa: TID251

EXECUTOR = "tests.chaos.executor.Counted"
HEARTBEAT_SECONDS = 1
STALE_AFTER = timedelta(seconds=5)
ANSWER_WAITS = timedelta(seconds=2)
ANSWER_GIVEN_UP = timedelta(seconds=15)
RUNS_PER_PERSON = 8
RUNS_PER_DATASET = 8
CELERY_BEAT_SCHEDULE = {
    "look-after-runs": {**ROUNDS["look-after-runs"], "schedule": HEARTBEAT_SECONDS},
    "look-after-answers": {**ROUNDS["look-after-answers"], "schedule": HEARTBEAT_SECONDS},
}
CELERY_BROKER_TRANSPORT_OPTIONS = json.loads(os.environ.get("WEIR_CHAOS_BROKER", "{}"))
