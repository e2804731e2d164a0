"""Holds the gate's scores against the reference's: `python teach_compare.py REFERENCE.json RUN.json [MOST]`.

REFERENCE.json is what `teach_table.py SET --frames N --save DIR` wrote, RUN.json what `taktgate evaluate PACKAGE SET`
wrote for a package that `taktgate teach` made of the same N frames (N of all, evenly spaced) at the same `--size`.
Fails if a picture's score differs by more than MOST (0.001).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    reference = json.loads(Path(sys.argv[1]).read_text())["scores"]
    judged = {picture["name"]: picture["score"] for picture in json.loads(Path(sys.argv[2]).read_text())["pictures"]}
    most = float(sys.argv[3]) if len(sys.argv) == 4 else 0.001
    if set(reference) != set(judged):
        raise SystemExit(f"other pictures: {sorted(set(reference) ^ set(judged))[:5]} are only in one of both files")
    differences = sorted((abs(reference[name] - judged[name]), name) for name in reference)
    worst, name = differences[-1]
    print(f"{len(differences)} pictures: median {differences[len(differences) // 2][0]:.1e}, most {worst:.1e} (`{name}`)")
    if most < worst:
        raise SystemExit(f"more than {most}: the gate and the reference do not teach the same")


if __name__ == "__main__":
    main()
