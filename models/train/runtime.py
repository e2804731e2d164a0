"""ONNX Runtime: running what is shipped on pictures, and how long that takes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnxruntime


def to_tensor(image: np.ndarray, settings: dict) -> np.ndarray:
    """One uint8 image [rows, columns, channels] as the network gets it: float32 [1, channels, rows, columns]."""
    mean = np.array(settings["input"]["mean_values"], np.float32)
    scale = np.array(settings["input"]["scale_values"], np.float32)
    return np.ascontiguousarray(((image.astype(np.float32) - mean) / scale).transpose(2, 0, 1)[None])


def session(path: Path, n_threads: int = 2) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_all(path: Path, images, settings: dict) -> np.ndarray:
    runtime = session(path, 1)
    return np.concatenate([runtime.run(None, {"image": to_tensor(image, settings)})[0] for image in images])


def quiet_ms(path: Path, tensor: np.ndarray, n_threads: int, n_blocks: int = 8, n_runs: int = 12) -> float:
    """Median time of a run in the quietest of some blocks: the machine may be shared, the figure should not be.

    One thread is measured by what the process got of the processor, several by the clock on the wall.
    """
    runtime, medians = session(path, n_threads), []
    now = time.process_time if n_threads == 1 else time.perf_counter
    for _ in range(n_blocks):
        times_ms = []
        for _ in range(n_runs):
            started = now()
            runtime.run(None, {"image": tensor})
            times_ms.append(1000 * (now() - started))
        medians.append(np.median(times_ms))
    return round(float(min(medians)), 1)
