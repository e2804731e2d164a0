"""Makes the small model of each family with its real exporter, and records its framework's answers.

    python models/train/export_families.py --pictures DIR --out DIR [--jobs N] [FAMILY ...]

Seconds a family, on the processor, offline; the same seeds give the same weights. `OUT/FAMILY/` gets
`model.onnx` and `golden/`, which `tests/parity.rs` hands to `taktgate model import`.
"""

import argparse
import functools
import importlib
import multiprocessing
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

# family -> file of exporters/; its function is named like the family. The slowest ones come first.
FAMILIES = {
    "efficientad": "efficientad",
    "anomalib1_padim": "anomalib1",
    "anomalib1_patchcore": "anomalib1",
    "padim": "anomaly",
    "patchcore": "anomaly",
    "patchcore_bare": "anomaly",
    "patchcore_two": "anomaly",
    "stfpm": "anomaly",
    "torchvision_classify": "classifiers",
    "torchvision_classify_dynamic": "classifiers",
    "torchvision_classify_float16": "classifiers",
    "timm_classify": "classifiers",
    "timm_classify_float16": "classifiers",
    "torchvision_ssdlite": "detectors",
    "torchvision_fasterrcnn": "detectors",
    "yolox_raw": "yolox",
    "yolox_decoded": "yolox",
    "segment_classes": "segmenters",
    "segment_mask": "segmenters",
    "rt_detr": "detr",
    "d_fine": "detr",
    "openvino_info": "openvino",
    "yolo_v5": "yolo",
    "yolo_v8": "yolo",
    "yolo_segment": "yolo",
    "yolo_nms": "yolo",
}
# Only when they are named: their package is AGPL, and nobody installs it for you.
NAMED = {
    "ultralytics_v5": "ultralytics",
    "ultralytics_v8": "ultralytics",
    "ultralytics_v8_nms": "ultralytics",
    "ultralytics_v11_segment": "ultralytics",
    "ultralytics_v11_classify": "ultralytics",
}
# These need a process each: there is one anomalib in a process.
ALONE = {"anomalib1"}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pictures", type=pathlib.Path, required=True)
    options.add_argument("--out", type=pathlib.Path, required=True)
    options.add_argument("--jobs", type=int, default=1, help="families that are made at a time (%(default)s)")
    options.add_argument("families", nargs="*", metavar="FAMILY", help=" ".join(FAMILIES | NAMED))
    given = options.parse_args()
    unknown = [name for name in given.families if name not in FAMILIES | NAMED]
    if unknown:
        options.error(f"no family {', '.join(unknown)}; there are {', '.join(FAMILIES | NAMED)}")
    given.out.mkdir(parents=True, exist_ok=True)
    names = given.families or list(FAMILIES)
    if len(names) == 1:
        print("{}: {:.1f} s".format(*made(given.out, given.pictures, names[0])))
        return

    import_once()
    with tempfile.TemporaryDirectory(dir=given.out) as folder:
        pictures = as_png(given.pictures, pathlib.Path(folder))
        with multiprocessing.get_context("fork").Pool(given.jobs) as pool:
            for name, seconds in pool.imap_unordered(functools.partial(made, given.out, pictures), names, chunksize=1):
                print(f"{name}: {seconds:.1f} s", flush=True)


def import_once():
    """What all families want is imported here, so that the jobs, which are forks, have it already."""
    import onnxscript  # noqa: F401
    import torch
    import torch._dynamo  # noqa: F401
    import torchvision  # noqa: F401

    torch.set_num_threads(1)


def as_png(folder, out):
    """Golden directories keep PNG; each picture is turned into one once, not once a family."""
    from record_golden import keep_as_png, pictures_in

    for path in pictures_in(folder):
        keep_as_png(path, out / f"{path.stem}.png")
    return out


def made(out, folder, name):
    """Makes one family; the seconds of the processor that it took."""
    file = (FAMILIES | NAMED)[name]
    if file in ALONE and "torch" in sys.modules:
        start = time.monotonic()
        again = [sys.executable, "-W", "ignore", __file__, "--pictures", folder, "--out", out, name]
        subprocess.run(again, check=True, stdout=subprocess.DEVNULL)
        return name, time.monotonic() - start

    import torch
    from record_golden import pictures_in

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    start = time.process_time()
    getattr(importlib.import_module(f"exporters.{file}"), name)(out / name, pictures_in(folder))
    return name, time.process_time() - start


if __name__ == "__main__":
    main()
