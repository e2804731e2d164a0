"""The model card: what the model is, what it saw, how well it did on pictures it never saw, and where it is weak."""

from __future__ import annotations


def _limits(thresholds: dict) -> str:
    return ", ".join(f"`{name}` {value}" for name, value in thresholds.items())


def _augmented(settings: dict) -> str:
    if "augment" not in settings:
        training = settings["training"]
        return (f"crops of {training['crop_px']} px with {', '.join(training['flips']) or 'no'} flips "
                "and jitter of brightness, contrast, blur and noise")
    augment = settings["augment"]
    said = [f"flips {', '.join(augment['flips']) or 'none'}"]
    said += ["quarter turns"] if augment["quarter_turns"] else []
    said += [f"turns up to {augment['turn_degrees_max']:g} degrees"] if augment["turn_degrees_max"] else []
    said += [f"scale {augment['scale'][0]:g} to {augment['scale'][1]:g}", "light, blur and noise"]
    said += [f"four pictures in one ({augment['mosaic']:g} of the time)"] if augment.get("mosaic") else []
    return ", ".join(said)


def text(task, settings: dict, thresholds: dict, figures: dict, section: str, facts: dict) -> str:
    """The card as Markdown."""
    size, training = settings["input"], settings["training"]
    warning = f"\n**{settings['card']['warning']}**\n" if settings["card"].get("warning") else ""
    weak_at = settings["card"].get("weak_at", "").strip() or "See the table: the classes with the lowest figures."
    duplicates = ""
    if "duplicates" in facts:
        duplicates = f"\nNear-duplicates (difference hash and correlation, mirrored copies too): {facts['duplicates']}.\n"
    quantised = f"\nQuantised, {facts['int8']}.\n" if "int8" in facts else ""
    return f"""# {settings["name"]} {settings["version"]}

{settings["description"]}.
{warning}
## What it is

{task.words} ({facts["n_parameters"]}, started from {facts["start"]}), input {size["width_px"]} x {size["height_px"]} px with
{size["channels"]} channel(s). {figures["ms_one_thread"]:.1f} ms a picture on one thread, {figures["ms_two_threads"]:.1f} ms on two, with
ONNX Runtime's CPU provider on the machine that trained it.

Trained on {facts["trained_on"]}.
Loss: {task.losses}; AdamW, one cycle, batches of {training["batch"]}; {_augmented(settings)}.
{facts["steps"]}; {facts["core_minutes"]} core-minutes. Thresholds were chosen on validation: {_limits(thresholds)}.
Made by `python models/train/train.py models/train/{settings["file"]}`.
{duplicates}
## How it did on {len(task.test.images)} held-out {task.things}

{section}

## What it is weak at

{weak_at}
{quantised}
Export: opset 17, static size; ONNX Runtime and PyTorch differ by at most {facts["difference"]} on the golden images.
"""
