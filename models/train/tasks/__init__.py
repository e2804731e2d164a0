"""What each kind of model does differently: its data, network, loss, validation, thresholds and test.

A task is an object with `network()`, `rounds()` (steps of each), `validate_every()`, `batch(step)`, `loss(answer, truth,
progress)` and `validate(network)` for the loop, and what `package.py` needs to ship: `shipped(network)`,
`thresholds(network)`, `golden_candidates(answers, thresholds)`, `judge_test(answers, thresholds, run)`, `facts()`.
"""

from __future__ import annotations

from pathlib import Path


def task_of(settings: dict, cache: Path):
    """The task that a settings file asks for."""
    if "scene" in settings:
        from tasks.renders import Renders

        return Renders(settings, cache)
    if settings["task"] == "classify":
        from tasks.classify import Classify

        return Classify(settings)
    if settings["task"] == "segment":
        from tasks.segment import Segment

        return Segment(settings)
    if settings["task"] == "detect":
        from tasks.detect import Detect

        return Detect(settings)
    raise SystemExit(f"`task = \"{settings['task']}\"` is unknown; write classify, segment or detect")
