"""Rendered parts: masks from the renderer's own geometry, a small U-Net from scratch, parts judged good or bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import judge
import losses
from data import renders
from networks.shipping import ClassMaps
from networks.small_unet import UNet


class Renders:
    output, layout, tolerance = "probabilities", "class_maps", 0.002
    words = "A light U-Net that answers at half the input's resolution"
    losses = "cross entropy and Dice"
    things = "rendered parts"

    def __init__(self, settings: dict, cache: Path):
        self.settings, self.frame = settings, settings["input"]
        self.labels = list(renders.render.load_scene(settings["scene"]).CLASSES)
        self.shipped_labels = self.labels
        self.train, self.val, self.test = (
            renders.parts(settings["scene"], split, settings["render"][split], self.frame["width_px"],
                          self.frame["height_px"], cache)
            for split in ("train", "validation", "test")
        )
        self.weights = losses.class_weights(self.train.truth, len(self.labels))

    def data_digest(self) -> str:
        return renders.renderer_digest(self.settings["scene"], self.frame["width_px"], self.frame["height_px"])

    def network(self) -> torch.nn.Module:
        return UNet(self.frame["channels"], len(self.labels), tuple(self.settings["training"]["channels"]))

    def rounds(self) -> list[int]:
        return [self.settings["training"]["steps"]]

    def validate_every(self) -> int:
        return self.settings["training"]["validate_every"]

    def tensor(self, images: np.ndarray) -> torch.Tensor:
        """[n, channels, rows, columns] in 0..255 to what the network gets."""
        mean, scale = (np.array(self.frame[key], np.float32).reshape(1, -1, 1, 1) for key in ("mean_values", "scale_values"))
        return torch.from_numpy((images.astype(np.float32) - mean) / scale)

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        training = self.settings["training"]
        rng = np.random.default_rng([training["seed"], step])
        images, truth = renders.batch(self.train, rng, training["batch"], training["crop_px"], training["flips"])
        return self.tensor(images), torch.from_numpy(truth)

    def loss(self, answer: torch.Tensor, truth: torch.Tensor, progress: float) -> torch.Tensor:
        # Full weights wake the small classes; towards the end they fade, or probabilities would run too high.
        weights = (self.weights ** (1 - 0.7 * progress)).to(answer.device)
        return losses.map_loss(answer.float(), truth.to(answer.device), weights)

    @torch.no_grad()
    def answers(self, network: torch.nn.Module, images: np.ndarray) -> np.ndarray:
        """[n, 1 + labels, rows, columns] in float32, batch norms in test mode."""
        network.eval()
        device = next(network.parameters()).device
        said = [network(self.tensor(image[None].transpose(0, 3, 1, 2)).to(device)) for image in images]
        return np.concatenate([maps.float().cpu().numpy() for maps in said])

    def val_figures(self, maps: np.ndarray) -> dict[str, float]:
        """Metrics at middling thresholds; `worth` decides which weights are kept."""
        figures = judge.metrics(maps, self.val, judge.Thresholds(0.4, 8))
        return figures | {"worth": sum(figures.values())}

    def validate(self, network: torch.nn.Module) -> dict[str, float]:
        return self.val_figures(self.answers(self.shipped(network), self.val.images))

    def shipped(self, network: torch.nn.Module) -> torch.nn.Module:
        return ClassMaps(network)

    def thresholds(self, network: torch.nn.Module) -> dict:
        """Chosen on validation; what is shipped lets doubt through, the reject score is the recipe's."""
        self.limits = judge.choose_thresholds(self.answers(self.shipped(network), self.val.images), self.val)
        return {"confidence_threshold": min(doubtful for doubtful, _ in self.limits.class_limits), "pixel_threshold": self.limits.pixel_threshold,
                "area_min_px": self.limits.area_min_px}

    def golden_candidates(self, answers: np.ndarray, thresholds: dict) -> list[int]:
        """One plain good part and one bad part with two defects."""
        good = next(i for i, defects in enumerate(self.test.defects) if not defects and not self.test.hard[i])
        return [good, next(i for i, defects in enumerate(self.test.defects) if len(defects) == 2)]

    def facts(self) -> dict[str, str]:
        render = self.settings["render"]
        numbers = ", ".join(f"{n} {split}" for split, n in render.items())
        first_seeds = ", ".join(f"{split} from {renders.render.SEEDS[split].start}" for split in render)
        drawn = f"synthetic renders only (samples/render/{self.settings['scene']}.py): {numbers} parts; seeds {first_seeds}"
        return {"trained_on": drawn, "start": "random weights"}

    def judge_test(self, answers: np.ndarray, thresholds: dict, run: Path) -> tuple[dict, str]:
        """Figures for the manifest and the card's section; every part's score goes to `run`."""
        figures = judge.metrics(answers, self.test, self.limits)
        figures["score_reject"] = self.limits.confidence_threshold
        scores = [judge.image_score(judge.regions(maps, self.limits)) for maps in answers]
        np.savez(run / "test-predictions.npz", scores=scores, bad=[bool(defects) for defects in self.test.defects])
        counts = judge.operating_point(answers, self.test, self.limits, self.labels)
        return figures, judge.section(figures, counts, self.labels, self.limits)
