"""The card of a backbone: whose weights these are, what the graph takes and gives, how it is made again."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

TENSORS = """\
| tensor | shape | what |
| --- | --- | --- |
| in `image` | [1, 3, H, W] | red first, grey value / 127.5 - 1; H and W multiples of {step_px} |
| in `mean` | [{raw}] | mean of the raw patch features of the good frames |
| in `whitening` | [{raw}, D] | row of a patch = (raw - mean) x whitening |
| in `bank` | [M, D] | rows of good patches |
| in `spread` | [M] | the distance to a row of the bank is divided by its spread |
| in `reference` | [1] | the distance that becomes 0.5 |
| out `features` | [N, D] | rows of the patches, line by line over the grid of H / {stride_px} by W / {stride_px} |
| out `anomaly_map` | [1, 1, H / {map_px}, W / {map_px}] | 0 to 1; its maximum is the score of the picture |
"""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(settings: dict, folder: Path, weights: Path | None, n_channels: int, differences: dict[str, float]) -> None:
    """Writes `README.md`, and the licence's text beside it."""
    stride_px = settings["features"]["stride_px"]
    tensors = TENSORS.format(raw=n_channels, stride_px=stride_px, step_px=stride_px, map_px=stride_px // 4)
    weights_line = f"Weights: `{weights.name}`, SHA-256 `{sha256(weights)}`." if weights else "Weights: the library's own."
    layers = ", ".join(f"`{layer}`" for layer in settings["features"]["layers"])
    network = settings["network"]
    text = f"""# {settings["name"]} {settings["version"]}

The frozen network with which `taktgate teach` learns a part from good frames alone. It was trained on ImageNet, knows
nothing of any part, and is not trained further.

- Network: `{network["model"]}` of {network["library"]}. Source: {settings["source"]}
- {weights_line}
- Licence of the weights: {settings["licence"]} (`LICENSE`). Changed: cut behind the last layer named below, batch
  norms folded, the padding made a constant, the step of {", ".join(settings["features"]["stride_one"]) or "no layer"}
  made one, exported to ONNX, and joined with the search for the nearest good patch.
- `model.onnx`: SHA-256 `{sha256(folder / "model.onnx")}`, {(folder / "model.onnx").stat().st_size / 1e6:.1f} MB, opset 17, float32.
- Made by `python models/train/backbone.py` (versions in `models/train/requirements.txt`); the same versions give the same bytes.

## The graph

One file serves for teaching and for judging.

{tensors}
Raw features are the outputs of {layers}, joined to {n_channels} channels.
To read them, feed `mean` = 0, `whitening` = the unit matrix, `bank` = one row of zeros, `spread` = 1, `reference` = 1.

A patch's distance is the least |row - bank row| / spread over the bank. The score is the mean of the highest hundredth
of the distances (rounded up to whole patches); the map is the distances, enlarged four times, smoothed over half a patch, and
scaled so that its maximum is the score; at last distance / (distance + reference).

`golden/01.png` is a drawn picture, `golden/01.safetensors` the framework's raw features for it.
Largest differences when it was exported: {differences["features"]:.1e} in raw features and {differences["anomaly_map"]:.1e} in the map between ONNX Runtime
and PyTorch (sizes 128 x 96, 384 x 384, 256 x 640); {differences["padding"]:.1e} at the first layer to the library's own padding.

{settings["card"]["measured"].strip()}
"""
    (folder / "README.md").write_text(text)
    if settings["licence"] == "Apache-2.0":
        shutil.copyfile(ROOT / "LICENSE-APACHE", folder / "LICENSE")
        with (folder / "LICENSE").open("a") as licence:
            licence.write(f"\n   {settings['copyright']}\n")
