"""Records what the original framework answers to your pictures, for `taktgate model import --golden`.

    python models/train/record_golden.py FRAMEWORK --weights FILE --onnx model.onnx \\
        --pictures DIR --out DIR [...]
    taktgate model import model.onnx --out models/NAME/VERSION --golden DIR

Run it in the environment that trained the model: the framework's own reading of the picture file, its
own preparation and its own network give the answers, not the exported graph. `FRAMEWORK --help` shows
what each one wants. Anything else is a few lines of Python around `record`:

    from record_golden import record
    record(pictures, preprocess, predict, out)   # see its description below

A golden directory holds `pictures/`, `outputs/` with what was answered to each, and `golden.json`:
framework, version, and the preparation as it was. The first answers hold the prepared input too, so
that an import can tell a wrong preparation from a wrong graph.

Pictures that are not PNG are kept as PNG, and the framework reads that: JPEG decoders differ by up to 4
grey values, no camera sends JPEG, and EXIF may turn the picture for one reader and not for the other.
"""

import argparse
import json
import pathlib
import shutil
import sys

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

SCHEMA = 1
PICTURES_MAX = 1000
INPUTS_MAX = 8  # pictures whose prepared input is kept
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


def record(pictures, preprocess, predict, out, about=None):
    """Writes a golden directory.

    pictures    paths of the picture files
    preprocess  path -> the network's input [1, channels, height, width], as the framework prepares it
    predict     that input -> {name of the graph's output: array}, by the framework itself. Names that
                begin with `answer.` are its final answer, if it has one after the network:
                detect    `answer.boxes` [n, 4] x1, y1, x2, y2 in pixels of the picture file,
                          `answer.scores` [n] from 0.05 on, `answer.labels` [n] from 0, no background
                classify  `answer.scores` [labels]
                segment   `answer.maps` [1 + labels, height, width], good first; masks: [labels, ...]
                anomaly   `answer.score` [1], `answer.map` [height, width]
    out         the directory, which must not be there yet
    about       what `golden.json` says: framework, labels, preprocessing, confidence_threshold ...
    """
    out = pathlib.Path(out)
    pictures = [pathlib.Path(path) for path in pictures]
    if not 0 < len(pictures) <= PICTURES_MAX:
        sys.exit(f"{len(pictures)} pictures; give 1 to {PICTURES_MAX}")
    if out.exists():
        sys.exit(f"{out} is there already; remove it or give another --out")
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for folder in ("pictures", "outputs"):
        (partial / folder).mkdir(parents=True)
    for number, path in enumerate(pictures, start=1):
        kept = partial / "pictures" / f"{number:04}.png"
        keep_as_png(path, kept)
        given = preprocess(kept)
        answers = {name: np.ascontiguousarray(value) for name, value in predict(given).items()}
        for name, value in answers.items():
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                sys.exit(f"{path}: output {name} is not finite; such a model cannot be proved")
        if number <= INPUTS_MAX:
            answers["input"] = np.ascontiguousarray(given, dtype=np.float32)
        save_file(answers, partial / "outputs" / f"{number:04}.safetensors")
    told = json.dumps({"schema": SCHEMA, **(about or {})}, indent=1)
    (partial / "golden.json").write_text(told + "\n")
    partial.rename(out)
    print(f"{out}: {len(pictures)} pictures with {', '.join(answers)}")


def keep_as_png(path, kept):
    if path.suffix.lower() == ".png":
        shutil.copyfile(path, kept)
        return
    with Image.open(path) as picture:
        if picture.mode not in ("RGB", "L"):
            sys.exit(f"{path}: {picture.mode} pixels; convert it to 8-bit RGB or grey first")
        picture.save(kept, exif=b"")


def pictures_in(folder):
    found = sorted(p for p in pathlib.Path(folder).iterdir() if p.suffix.lower() in SUFFIXES)
    if not found:
        sys.exit(f"no pictures in {folder}; it wants {', '.join(sorted(SUFFIXES))}")
    return found


OPTIONS = {
    "arch": {"required": True, "help": "the model's name in its framework"},
    "labels": {"required": True, "type": lambda text: text.split(","), "help": "a,b,c in the order of the outputs"},
    "confidence": {"type": float, "default": 0.5, "help": "from which score on a box counts (%(default)s)"},
    "iou": {"type": float, "default": 0.45, "help": "of two boxes that overlap more one goes (%(default)s)"},
    "crop": {"type": int, "default": 224, "help": "side of the centre that is cut out, px (%(default)s)"},
    "resize": {"type": int, "default": 256, "help": "shorter side before, px (%(default)s)"},
    "exp": {"required": True, "type": pathlib.Path, "help": "the experiment file of YOLOX"},
    "decoded": {"action": "store_true", "help": "exported with --decode_in_inference"},
}


def main():
    from frameworks.load import FRAMEWORKS, graph_of

    own = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = own.add_subparsers(dest="framework", required=True, metavar="FRAMEWORK", help=" ".join(FRAMEWORKS))
    for name, (load, options) in FRAMEWORKS.items():
        kind = kinds.add_parser(name, description=load.__doc__)
        kind.add_argument("--weights", required=True, type=pathlib.Path, help="what was trained")
        kind.add_argument("--onnx", required=True, type=pathlib.Path, help="what was exported: names and size are read")
        kind.add_argument("--pictures", required=True, type=pathlib.Path, help="a folder of pictures, good and bad")
        kind.add_argument("--out", required=True, type=pathlib.Path, help="the golden directory to make")
        kind.add_argument("--input", type=lambda text: tuple(map(int, text.split("x"))), help="WxH where the graph leaves it free")
        for option in options:
            kind.add_argument(f"--{option}", **OPTIONS[option])
    given = own.parse_args()
    size_px, outputs = graph_of(given.onnx)
    size_px = given.input or size_px
    if size_px is None:
        own.error(f"{given.onnx} leaves the input's size free; say it: --input WxH")
    inference = FRAMEWORKS[given.framework][0](given, size_px, outputs)
    record(pictures_in(given.pictures), inference.preprocess, inference.predict, given.out, inference.about)


if __name__ == "__main__":
    main()
