"""Pictures into classes: Lite0 with a linear head, fine-tuned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

import metrics
from data import augment, pictures
from networks.classifier import Classifier
from tasks.real import Real

LABEL_SMOOTHING = 0.05
# What "good" says where no training picture is good: never.
LOGIT_OF_NO_GOOD = -20.0


class WithGood(torch.nn.Module):
    """The classifier as it is shipped where the set has no good pictures: one more logit that never wins.

    The gate asks every classifier which class means "no defect", and passes parts by it.
    """

    def __init__(self, network: torch.nn.Module):
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        logits = self.network(image)
        return torch.cat([logits, torch.full_like(logits[:, :1], LOGIT_OF_NO_GOOD)], 1)


class Classify(Real):
    output, layout, tolerance = "logits", "logits", 0.01
    words = "EfficientNet-Lite0, fine-tuned, with one linear layer on what is seen at strides 16 and 32"
    losses = "cross entropy with smoothed labels, rare classes counting more"

    def __init__(self, settings: dict):
        super().__init__(settings, pictures.read_classes)
        self.good_label = settings.get("good_label", "good")
        self.shipped_labels = self.labels if self.good_label in self.labels else [*self.labels, self.good_label]
        counts = np.bincount(self.train.truth, minlength=len(self.labels))
        # Rare classes count more, by the root: the full inverse would let a handful of pictures rule.
        weights = np.sqrt(counts.mean() / np.maximum(counts, 1))
        self.weights = torch.tensor(weights / weights.mean(), dtype=torch.float32)

    def network(self) -> torch.nn.Module:
        network = self.settings["network"]
        return Classifier(len(self.labels), network["pretrained"], network["frozen_stages"], network["dropout"])

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        rng, settings, images = self.rng(step), self.settings["augment"], []
        numbers = self.numbers(step)
        for number in numbers:
            matrix = augment.affine(rng, self.size_px, settings)
            image = augment.warp(self.train.images[number], matrix, self.size_px, mirrored_border=True)
            images.append(self.light(rng, image))
        return self.tensor(images), torch.tensor([self.train.truth[number] for number in numbers])

    def loss(self, answer: torch.Tensor, truth: torch.Tensor, progress: float) -> torch.Tensor:
        device = answer.device
        return functional.cross_entropy(
            answer.float(), truth.to(device), self.weights.to(device), label_smoothing=LABEL_SMOOTHING
        )

    def val_figures(self, logits: np.ndarray) -> dict[str, float]:
        truth = np.array(self.val.truth)
        chances = metrics.softmax(logits)[np.arange(len(truth)), truth]
        figures = {"accuracy": metrics.accuracy(logits, truth), "log_loss": float(-np.log(chances).mean())}
        # Few pictures: where accuracies tie, the surer model is the better one.
        return figures | {"worth": figures["accuracy"] - 0.1 * figures["log_loss"]}

    def shipped(self, network: torch.nn.Module) -> torch.nn.Module:
        return network if self.shipped_labels == self.labels else WithGood(network)

    def thresholds(self, network: torch.nn.Module) -> dict:
        """The best class is the answer, however sure; how sure is the recipe's business."""
        return {"confidence_threshold": 0.0}

    def golden_candidates(self, answers: np.ndarray, thresholds: dict) -> list[int]:
        """Test pictures by how sure the answer is, so that rounding cannot change the class."""
        top = np.sort(answers, 1)
        return list(np.argsort(top[:, -2] - top[:, -1]))

    def judge_test(self, answers: np.ndarray, thresholds: dict, run: Path) -> tuple[dict, str]:
        """Figures for the manifest and the card's section; every prediction goes to `run`."""
        truth = np.array(self.test.truth)
        wrong = answers.argmax(1) != truth
        low, high = metrics.wilson(int((~wrong).sum()), len(wrong))
        unseen = np.array([name not in self.seen_names for name in self.test.names])
        figures = {
            "accuracy": 1 - wrong.mean(), "accuracy_low_95": low, "accuracy_high_95": high,
            "accuracy_without_near_duplicates": 1 - wrong[unseen].mean(),
        }
        chances = metrics.softmax(answers)
        said = [
            {"file": name, "true": self.labels[true], "said": self.shipped_labels[int(row.argmax())],
             "score": round(float(row.max()), 5), "logits": [round(float(value), 5) for value in logits]}
            for name, true, row, logits in zip(self.test.names, truth, chances, answers)
        ]
        (run / "test-predictions.json").write_text(json.dumps({"labels": self.shipped_labels, "pictures": said}, indent=1))
        return {name: float(value) for name, value in figures.items()}, self._section(answers, truth, figures)

    def _section(self, answers: np.ndarray, truth: np.ndarray, figures: dict) -> str:
        table = metrics.confusion(answers, truth, len(self.shipped_labels))
        n_wrong = int(table.sum() - np.trace(table))
        rows = ["| class | test pictures | found | wrongly called this |", "| --- | ---: | ---: | ---: |"]
        for index, name in enumerate(self.labels):
            said = int(table[:, index].sum() - table[index, index])
            rows.append(f"| {name} | {table[index].sum()} | {table[index, index]} | {said} |")
        mistakes = [
            f"- `{name}` is {self.labels[true]}, called {self.shipped_labels[int(row.argmax())]}"
            for name, true, row in zip(self.test.names, truth, answers) if row.argmax() != true
        ]
        return "\n".join([
            f"Accuracy {100 * figures['accuracy']:.2f} % ({len(truth) - n_wrong} of {len(truth)}; 95 % interval "
            f"{100 * figures['accuracy_low_95']:.1f} to {100 * figures['accuracy_high_95']:.1f} %); "
            f"{100 * figures['accuracy_without_near_duplicates']:.2f} % on the test pictures without a near-duplicate in "
            "train.",
            "", *rows, "", *(["Mistakes:", "", *mistakes] if mistakes else ["No mistakes."]),
        ])
