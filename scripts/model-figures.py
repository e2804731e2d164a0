#!/usr/bin/env python3
"""The table of models/README.md: every model that is here on every labelled set that fits it, through the real binary.

    scripts/model-figures.py                         # all rows, in some minutes
    scripts/model-figures.py --only screw steel      # rows whose set or model has one of these words

Models of good parts only are taught first, from the training pictures of the set. What is missing is said and left out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BINARY = ROOT / "target/release/taktgate"
OUT = ROOT / "out/figures"

# Set (a folder of TAKTGATE_DATA, or of this repository with a dot first), split, model, further options of `evaluate`.
ROWS = [
    ("normal-only-screw", "test", "teach", []),
    ("normal-only-commutator", "test", "teach", []),
    ("./samples/panels", "test", "teach", []),
    ("steel-masks", "test", "models/real/steel-masks", []),
    ("steel-boxes", "test", "models/real/steel-boxes", []),
    ("steel-classes", "test", "models/real/steel-classes", []),
    ("weld-boxes", "test", "models/real/weld-boxes", ["--good", "good_weld"]),
    ("weld-boxes", "test", "models/real/weld-boxes-baseline", ["--good", "good_weld"]),
    ("body-boxes", "test", "models/real/body-boxes", []),
    ("body-boxes", "test", "models/real/body-boxes-baseline", []),
]
COLUMNS = {
    "image AUROC": "image_auroc", "image AP": "image_ap", "pixel AUROC": "pixel_auroc", "AUPRO": "aupro",
    "pixel F1": "pixel_f1", "mAP@0.5": "map_50", "mAP@0.5:0.95": "map_50_95", "accuracy": "accuracy",
    "recall, no overkill": "recall_at_0_overkill", "recall, 1 % overkill": "recall_at_1pct_overkill",
}


def taktgate(*words: object) -> dict:
    """Runs the binary and reads its JSON."""
    ran = subprocess.run([str(word) for word in (BINARY, *words, "--json")], capture_output=True, text=True, cwd=ROOT)
    if ran.returncode not in (0, 3):
        sys.exit(f"{' '.join(map(str, words))}\n{ran.stderr}")
    return json.loads(ran.stdout)


def taught(data: Path) -> Path:
    """The package that the set's good training pictures teach."""
    name = data.name
    taktgate("teach", data / "train/good", "--name", name, "--out", OUT, "--cache", OUT / "cache", "--force", "--keep-suspicious")
    return OUT / name / "1.0.0"


def newest(model: str) -> Path | None:
    """The newest version of a package."""
    versions = sorted((ROOT / model).glob("*/manifest.toml"))
    return versions[-1].parent if versions else None


def row(name: str, split: str, model: str, options: list[str], root: Path) -> str | None:
    data = ROOT / name if name.startswith(".") else root / name
    if not data.is_dir():
        print(f"left out: no folder {data}", file=sys.stderr)
        return None
    package = taught(data) if model == "teach" else newest(model)
    if package is None:
        print(f"left out: no package {model}; make models-real trains it", file=sys.stderr)
        return None
    ms = []
    for threads in (1, 2):
        found = taktgate("evaluate", package, data, "--split", split, "--threads", threads, "--no-report", "--out", OUT / "run", *options)
        ms += [stage["median_ms"] for stage in found["details"]["stages"] if stage["stage"] == "infer"]
    figures = found["figures"]
    said = [f"{figures[key]:.3f}" if figures.get(key) is not None else "" for key in COLUMNS.values()]
    kind = "`teach`" if model == "teach" else f"`{package.parent.name}`"
    return " | ".join(["", f"`{data.name}`", f"{split}, {found['pictures']}", kind, *said, *(f"{one:.1f}" for one in ms), ""]).strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="words of the rows that are wanted")
    wanted = parser.parse_args().only
    root = Path(os.environ.get("TAKTGATE_DATA", ROOT / "../shared/data")).resolve()
    head = ["set", "split, pictures", "model", *COLUMNS, "ms, one thread", "ms, two"]
    print(" | ".join(["", *head, ""]).strip())
    print("| " + " | ".join(["---"] * 3 + ["---:"] * (len(head) - 3)) + " |", flush=True)
    for name, split, model, options in ROWS:
        if not wanted or any(word in f"{name} {model}" for word in wanted):
            line = row(name, split, model, options, root)
            if line:
                print(line, flush=True)


if __name__ == "__main__":
    main()
