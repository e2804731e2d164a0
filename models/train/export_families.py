"""Makes the small model of each family with its real exporter, and records its framework's answers.

    python models/train/export_families.py --pictures DIR --out DIR [FAMILY ...]

Seconds a family, on the processor, offline; the same seeds give the same weights. `OUT/FAMILY/` gets
`model.onnx` and `golden/`, which `tests/parity.rs` hands to `taktgate model import`.
"""

import argparse
import importlib
import pathlib
import subprocess
import sys
import time
import warnings

# family -> file of exporters/; its function is named like the family.
FAMILIES = {
    "torchvision_classify": "classifiers",
    "torchvision_classify_dynamic": "classifiers",
    "torchvision_classify_float16": "classifiers",
    "timm_classify": "classifiers",
    "openvino_info": "openvino",
    "efficientad": "efficientad",
    "anomalib1_padim": "anomalib1",
    "anomalib1_patchcore": "anomalib1",
    "torchvision_ssdlite": "detectors",
    "torchvision_fasterrcnn": "detectors",
    "segment_classes": "segmenters",
    "segment_mask": "segmenters",
    "yolox_raw": "yolox",
    "yolox_decoded": "yolox",
    "yolo_v5": "yolo",
    "yolo_v8": "yolo",
    "yolo_segment": "yolo",
    "yolo_nms": "yolo",
    "rt_detr": "detr",
    "d_fine": "detr",
    "padim": "anomaly",
    "patchcore": "anomaly",
    "patchcore_bare": "anomaly",
    "patchcore_two": "anomaly",
    "stfpm": "anomaly",
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
    options.add_argument("families", nargs="*", metavar="FAMILY", help=" ".join(FAMILIES | NAMED))
    given = options.parse_args()
    unknown = [name for name in given.families if name not in FAMILIES | NAMED]
    if unknown:
        options.error(f"no family {', '.join(unknown)}; there are {', '.join(FAMILIES | NAMED)}")

    import torch
    from record_golden import pictures_in

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    pictures = pictures_in(given.pictures)
    for name in given.families or FAMILIES:
        start = time.monotonic()
        file = (FAMILIES | NAMED)[name]
        if file in ALONE and len(given.families) != 1:
            again = [sys.executable, __file__, "--pictures", given.pictures, "--out", given.out, name]
            subprocess.run(again, check=True)
            continue
        make = getattr(importlib.import_module(f"exporters.{file}"), name)
        make(given.out / name, pictures)
        print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
