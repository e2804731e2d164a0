"""Masks of defects on real pictures: a U-Net on Lite0, judged by the pixels of the files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

import judge
import losses
import metrics
from data import augment, pictures
from networks.lite0_unet import Lite0UNet
from networks.shipping import ClassMaps
from tasks.real import Real

# What F1 is looked at on validation; two decimals are finer than its noise.
CANDIDATES = np.round(np.arange(0.1, 0.91, 0.02), 2)
AREAS_MIN = (1, 10, 20, 40, 80)


class Segment(Real):
    output, layout, tolerance = "probabilities", "class_maps", 0.002
    words = "A U-Net on EfficientNet-Lite0 that answers at the input's own resolution"
    losses = "cross entropy and Dice"

    def __init__(self, settings: dict):
        super().__init__(settings, pictures.read_masks)
        self.masks = [cv2.resize(mask, self.size_px, interpolation=cv2.INTER_NEAREST) for mask in self.train.truth]
        self.weights = losses.class_weights(np.stack(self.masks), len(self.labels))

    def network(self) -> torch.nn.Module:
        network = self.settings["network"]
        return Lite0UNet(len(self.labels), network["pretrained"], network["frozen_stages"])

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        rng, settings, images, masks = self.rng(step), self.settings["augment"], [], []
        for number in self.numbers(step):
            matrix = augment.affine(rng, self.size_px, settings)
            image = augment.warp(self.train.images[number], matrix, self.size_px, mirrored_border=True)
            images.append(self.light(rng, image))
            masks.append(augment.warp(self.masks[number], matrix, self.size_px, mirrored_border=True))
        return self.tensor(images), torch.from_numpy(np.stack(masks).astype(np.int64))

    def loss(self, answer: torch.Tensor, truth: torch.Tensor, progress: float) -> torch.Tensor:
        return losses.map_loss(answer.float(), truth.to(answer.device), self.weights.to(answer.device))

    def _defect(self, maps: np.ndarray, size_px: tuple[int, int]) -> np.ndarray:
        """The strongest defect class's probability, at the file's size."""
        return cv2.resize(maps[1:].max(0), size_px, interpolation=cv2.INTER_LINEAR)

    def _counts(self, answers: np.ndarray, split: pictures.Pictures, candidates: np.ndarray) -> np.ndarray:
        """[picture, threshold, (right, said, true)]"""
        return np.stack([
            metrics.foreground_counts(self._defect(maps, size), truth, candidates)
            for maps, truth, size in zip(answers, split.truth, split.sizes_px)
        ])

    def val_figures(self, maps: np.ndarray) -> dict[str, float]:
        scores = metrics.f1(self._counts(maps, self.val, CANDIDATES).sum(0))
        return {"f1": float(scores.max()), "at": float(CANDIDATES[scores.argmax()]), "worth": float(scores.max())}

    def shipped(self, network: torch.nn.Module) -> torch.nn.Module:
        return ClassMaps(network)

    def thresholds(self, network: torch.nn.Module) -> dict:
        """The pixel threshold with the best F1 on validation, and the smallest region that is no noise."""
        maps = self.answers(self.shipped(network), self.val.images)
        scores = metrics.f1(self._counts(maps, self.val, CANDIDATES).sum(0))
        best = float(CANDIDATES[scores.argmax()])
        by_area = [self._f1_of_regions(maps, self.val, judge.Thresholds(best, area)) for area in AREAS_MIN]
        # Of areas that are equally good the largest: less for a person to look at.
        area = max(area for area, value in zip(AREAS_MIN, by_area) if value >= max(by_area) - 0.001)
        return {"confidence_threshold": best, "pixel_threshold": best, "area_min_px": area}

    def _f1_of_regions(self, answers: np.ndarray, split: pictures.Pictures, limits: judge.Thresholds) -> float:
        """F1 of the pixels of the regions that the gate would report."""
        counts = np.zeros(3)
        for maps, truth, size in zip(answers, split.truth, split.sizes_px):
            said = np.zeros(maps.shape[1:], np.float32)
            for region in judge.regions(maps, limits):
                if region.score >= limits.confidence_threshold:
                    said[region.cells] = 1
            counts += metrics.foreground_counts(cv2.resize(said, size), truth, np.array([0.5]))[0]
        return float(metrics.f1(counts))

    def golden_candidates(self, answers: np.ndarray, thresholds: dict) -> list[int]:
        """Test pictures whose regions stay when thresholds move a little, the plainest first."""
        def seen(maps: np.ndarray, by: float) -> list:
            limits = judge.Thresholds(thresholds["pixel_threshold"] + by, thresholds["area_min_px"])
            return [(region.label, region.area_px // 50) for region in judge.regions(maps, limits)]

        return [n for n, maps in enumerate(answers) if seen(maps, 0) and seen(maps, -0.01) == seen(maps, 0.01)]

    def judge_test(self, answers: np.ndarray, thresholds: dict, run: Path) -> tuple[dict, str]:
        """Figures for the manifest and the card's section; every map goes to `run`."""
        np.savez_compressed(
            run / "test-predictions.npz", files=np.array(self.test.names), labels=np.array(self.labels),
            maps=answers.astype(np.float16), pixel_threshold=thresholds["pixel_threshold"],
        )
        limits = judge.Thresholds(**thresholds)
        counts = self._counts(answers, self.test, np.array([limits.pixel_threshold]))[:, 0]
        unseen = np.array([name not in self.seen_names for name in self.test.names])
        right, said, true = counts.sum(0)
        figures = {
            "foreground_f1": float(metrics.f1(counts.sum(0))), "foreground_iou": float(right / (said + true - right)),
            "foreground_f1_of_regions": self._f1_of_regions(answers, self.test, limits),
            "foreground_f1_without_near_duplicates": float(metrics.f1(counts[unseen].sum(0))),
            "class_accuracy_of_pictures": self._class_accuracy(answers, limits),
        }
        classes = np.array([int(mask.max()) for mask in self.test.truth])
        rows = ["| class | test pictures | F1 of their pixels | worst picture | nothing found |",
                "| --- | ---: | ---: | ---: | ---: |"]
        for value, name in enumerate(self.labels, start=1):
            of = counts[classes == value]
            n_empty = int((of[:, 1] == 0).sum())
            rows.append(f"| {name} | {len(of)} | {metrics.f1(of.sum(0)):.3f} | {metrics.f1(of).min():.2f} | {n_empty} |")
        section = [
            f"F1 of defect pixels, any class, over all test pixels at the files' own size: {figures['foreground_f1']:.3f} "
            f"(IoU {figures['foreground_iou']:.3f}); of the regions that the gate reports "
            f"{figures['foreground_f1_of_regions']:.3f}; on pictures without a near-duplicate in train "
            f"{figures['foreground_f1_without_near_duplicates']:.3f}. The strongest region has the right class in "
            f"{100 * figures['class_accuracy_of_pictures']:.1f} % of the pictures.", "", *rows,
        ]
        return figures, "\n".join(section)

    def _class_accuracy(self, answers: np.ndarray, limits: judge.Thresholds) -> float:
        """Share of pictures whose largest region has the truth's class."""
        n_right = 0
        for maps, truth in zip(answers, self.test.truth):
            found = max(judge.regions(maps, limits), key=lambda region: region.area_px, default=None)
            n_right += found is not None and found.label == int(truth.max())
        return n_right / len(answers)
