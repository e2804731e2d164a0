"""The model card: what the model is, how well it did on the held-out renders, and what it says nothing about."""

from __future__ import annotations

import judge


def _percent(count: tuple[int, int] | None) -> str:
    if not count or not count[1]:
        return "none in the test"
    return f"{count[0]} of {count[1]} ({100 * count[0] / count[1]:.1f} %)"


def _class_rows(labels: list[str], counts: dict) -> str:
    rows = ["| class | found under its name | found under any name |", "| --- | --- | --- |"]
    for name in labels:
        rows.append(f"| {name} | {_percent(counts.get(f'class {name}'))} | {_percent(counts.get(f'anywise {name}'))} |")
    return "\n".join(rows)


def _kind_rows(counts: dict) -> str:
    rows = ["| parts | rejected |", "| --- | --- |"]
    for kind in ("plain good", "hard good", "bad"):
        rows.append(f"| {kind} | {_percent(counts.get(kind))} |")
    for name, count in counts.items():
        if name.startswith("hard ") and name != "hard good":
            rows.append(f"| good, with {name.removeprefix('hard ')} | {_percent(count)} |")
    return "\n".join(rows)


def text(settings: dict, thresholds: judge.Thresholds, figures: dict, counts: dict, trained_on: str,
         difference: float, n_parameters: int) -> str:
    """The card as Markdown."""
    size, training = settings["input"], settings["training"]
    return f"""# {settings["name"]} {settings["version"]}

{settings["description"]}.

**This model has seen rendered parts only. Its figures say how well it reads this project's renderer;
they say nothing about a real part, a real lamp or a real camera.** It is here so that the gate can be
tried and tested from end to end. For a real line, train on frames of that line.

## What it is

A light U-Net from scratch ({n_parameters / 1000:.0f} k parameters, no pretrained weights), input
{size["width_px"]} x {size["height_px"]} px with {size["channels"]} channel(s), output class probabilities at half that size.
{figures["ms_two_threads"]:.1f} ms a frame with ONNX Runtime's CPU provider on two threads of the machine it was trained on.

Trained on {trained_on}. Loss: cross entropy and Dice; AdamW, one cycle, batches of {training["batch"]} crops of
{training["crop_px"]} px with {", ".join(training["flips"]) or "no"} flips and jitter of brightness, contrast, blur and noise.
Made by `python models/train/train.py models/train/{settings["file"]}`.

## How it did on {counts_total(counts)} held-out rendered parts

Thresholds were chosen on the validation parts (probability of a cell {thresholds.pixel_threshold}, at least
{thresholds.area_min_px} cells, mean over the region {thresholds.confidence_threshold} for a reject and {thresholds.doubtful_from} for doubt);
these are other parts, drawn from other seeds.

| figure | value |
| --- | --- |
| AUROC of the part's score | {figures["image_auroc"]:.4f} |
| F1 of defect cells, right class | {figures["pixel_f1"]:.3f} |
| recall of bad parts with no good part rejected | {figures["recall_at_0_overkill"]:.3f} |
| recall of bad parts with 1 % of the good rejected | {figures["recall_at_1pct_overkill"]:.3f} |

With the reject threshold:

{_kind_rows(counts)}

{_class_rows(settings["labels"], counts)}

A part is rejected when any region is left; its score is the best region's mean probability. Doubt is not counted here.

## What it is weak at

{settings["card"]["weak_at"].strip()}

Export: opset 17, static size; ONNX Runtime and PyTorch differ by at most {difference:.1e} on the golden images.
"""


def counts_total(counts: dict) -> int:
    return sum(counts.get(kind, (0, 0))[1] for kind in ("plain good", "hard good", "bad"))
