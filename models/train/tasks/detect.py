"""Boxes around defects: a small detector without anchors on Lite0."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

import assign
import boxes
from data import augment, pictures
from networks.detector import Candidates, Detector, grid
from tasks.real import Real

# Below nothing is looked at; above detections begin, for the recipe to divide.
SCORE_MIN, CONFIDENCE_THRESHOLD = 0.005, 0.05
OVERLAPS_MAX = (0.4, 0.45, 0.5, 0.6, 0.7)
# Overlaps from which doubles vote on where a box lies; none: they do not.
VOTE_OVERLAPS = (None, 0.4, 0.5)
# Golden detections lie at least so far from the thresholds; rounding moves scores by a hundredth of it.
CLEAR = 0.0005
# Pictures that show a class rarer than this share come more often, by the root, at most so many times.
RARE_SHARE, REPEATS_MAX = 0.15, 4
# From this share of the first round on whole pictures only: the statistics settle on what the gate will see.
MOSAIC_UNTIL = 0.75


class Detect(Real):
    output, layout, tolerance = "candidates", "yolo", 0.05
    words = "A detector without anchors: EfficientNet-Lite0, a small pyramid, a head for each of its levels"
    losses = "cross entropy of the scores against the overlap reached, and generalised IoU (task-aligned assignment)"

    def __init__(self, settings: dict):
        super().__init__(settings, pictures.read_boxes)
        self.train = self._repeated(self.train)
        crop_px = settings["augment"].get("crop_px")
        self.window_px = (crop_px, crop_px) if crop_px else self.size_px

    def _repeated(self, split: pictures.Pictures) -> pictures.Pictures:
        """The split with pictures of rare classes several times."""
        shown = np.array([[(truth[:, 4] == label).any() for label in range(len(self.labels))] for truth in split.truth])
        factors = np.sqrt(RARE_SHARE / np.maximum(shown.mean(0), 1e-6)).clip(1, REPEATS_MAX)
        times = [round(float((factors * row).max(initial=1))) for row in shown]
        order = [index for index, n in enumerate(times) for _ in range(n)]
        columns = (split.names, split.images, split.truth, split.sizes_px)
        return pictures.Pictures(*([column[index] for index in order] for column in columns))

    def network(self) -> torch.nn.Module:
        network = self.settings["network"]
        return Detector(
            len(self.labels), network["strides"], network["width"], network["pretrained"], network["frozen_stages"]
        )

    def _scale(self, step: int) -> float:
        """A round goes through its `sides_px` in equal parts: smaller pictures cost less and teach the same coarsely."""
        for one, n_steps in zip(self._rounds(), self.rounds()):
            if step < n_steps:
                sides_px = one.get("sides_px", [self.window_px[0]])
                return sides_px[step * len(sides_px) // n_steps] / self.window_px[0]
            step -= n_steps
        return 1.0

    def batch(self, step: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
        rng, images, truths, scale = self.rng(step), [], [], self._scale(step)
        mosaic = self.settings["augment"]["mosaic"] if step < MOSAIC_UNTIL * self.rounds()[0] else 0.0
        for number in self.numbers(step):
            numbers = [number, *rng.integers(len(self.train.images), size=3)] if rng.random() < mosaic else [number]
            image, truth = self._seen(rng, numbers, scale)
            images.append(self.light(rng, image))
            truths.append(torch.from_numpy(truth))
        return self.tensor(images), truths

    def _window_px(self, scale: float) -> tuple[int, int]:
        return round(self.window_px[0] * scale), round(self.window_px[1] * scale)

    def _seen(self, rng: np.random.Generator, numbers: list[int], scale: float) -> tuple[np.ndarray, np.ndarray]:
        """A window of one picture under an affine map, or of four that meet at a random point."""
        width, height = self._window_px(scale)
        windows = [(0, 0, width, height)]
        if len(numbers) == 4:
            x, y = int(rng.uniform(0.3, 0.7) * width), int(rng.uniform(0.3, 0.7) * height)
            windows = [(0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height)]
        canvas, truths = np.empty((height, width, 3), np.uint8), []
        for number, (x1, y1, x2, y2) in zip(numbers, windows):
            truth = self.train.truth[number]
            matrix = augment.affine(rng, self.size_px, self.settings["augment"])
            if self.window_px != self.size_px:
                matrix[:, 2] -= self._corner(rng, augment.warp_boxes(truth, matrix, (0, 0, *self.size_px)))
            matrix *= scale
            moved = augment.warp(self.train.images[number], matrix, (width, height), mirrored_border=False)
            canvas[y1:y2, x1:x2] = moved[y1:y2, x1:x2]
            truths.append(augment.warp_boxes(truth, matrix, (x1, y1, x2, y2)))
        return canvas, np.concatenate(truths).astype(np.float32)

    def _corner(self, rng: np.random.Generator, truth: np.ndarray) -> np.ndarray:
        """Where a window begins; three of four windows of a bad part show a defect."""
        room = np.array(self.size_px) - self.window_px
        if len(truth) and rng.random() < 0.75:
            box = truth[rng.integers(len(truth))]
            middle = rng.uniform(box[:2], box[2:4])
            return np.clip(middle - rng.uniform(0.2, 0.8, 2) * self.window_px, 0, room)
        return rng.uniform(0, 1, 2) * room

    def loss(self, answer: torch.Tensor, truth: list[torch.Tensor], progress: float) -> torch.Tensor:
        strides = tuple(self.settings["network"]["strides"])
        scale = self._scale(round(progress * sum(self.rounds())))
        centres = grid(self._window_px(scale), strides)[0].to(answer.device)
        truths = [boxes_of_one.to(answer.device) for boxes_of_one in truth]
        return assign.detection_loss(answer.float(), truths, centres, strides[0])

    def _found(self, answers: np.ndarray, thresholds: dict, score_min: float = SCORE_MIN) -> list[boxes.Found]:
        overlap, vote_overlap = thresholds["iou_threshold"], thresholds.get("vote_iou_threshold")
        votes = (vote_overlap, CONFIDENCE_THRESHOLD) if vote_overlap else None
        return [boxes.decode(answer, self.size_px, score_min, overlap, votes) for answer in answers]

    def val_figures(self, answers: np.ndarray) -> dict[str, float]:
        value, _ = boxes.mean_average_precision(self._found(answers, {"iou_threshold": 0.6}, 0.02), self.val.truth, len(self.labels))
        return {"map50": value, "worth": value}

    def shipped(self, network: torch.nn.Module) -> torch.nn.Module:
        return Candidates(network, self.size_px, tuple(self.settings.get("shipped", {}).get("mirrors", ())))

    def thresholds(self, network: torch.nn.Module) -> dict:
        """The overlaps with the best mAP on validation; detections begin low, a recipe decides where they count."""
        answers = self.answers(self.shipped(network), self.val.images)
        pairs = [{"iou_threshold": overlap} | ({"vote_iou_threshold": vote} if vote else {})
                 for overlap in OVERLAPS_MAX for vote in VOTE_OVERLAPS]
        found = [self._found(answers, pair) for pair in pairs]
        values = [boxes.mean_average_precision(one, self.val.truth, len(self.labels))[0] for one in found]
        best = int(np.argmax(values))
        self.score_best, _ = boxes.best_f1(found[best], self.val.truth, len(self.labels))
        return {"confidence_threshold": CONFIDENCE_THRESHOLD} | pairs[best]

    def golden_candidates(self, answers: np.ndarray, thresholds: dict) -> list[int]:
        """Test pictures whose detections stay when thresholds move a little, those with the fewest first."""
        def seen(answer: np.ndarray, by: float) -> list:
            moved = {key: value + by for key, value in thresholds.items()}
            found = self._found([answer], moved, moved["confidence_threshold"])[0]
            return found.classes.tolist() + found.boxes.round().ravel().tolist()

        stays = [n for n, answer in enumerate(answers)
                 if seen(answer, 0) and seen(answer, -CLEAR) == seen(answer, CLEAR)]
        return sorted(stays, key=lambda n: len(seen(answers[n], 0)))

    def judge_test(self, answers: np.ndarray, thresholds: dict, run: Path) -> tuple[dict, str]:
        """Figures for the manifest and the card's section; every detection goes to `run`, in pixels of the files."""
        n_labels, truths = len(self.labels), self.test.truth
        found = self._found(answers, thresholds)
        shipped = [one.at_least(thresholds["confidence_threshold"]) for one in found]
        unseen = [n for n, name in enumerate(self.test.names) if name not in self.seen_names]
        map50, each = boxes.mean_average_precision(found, truths, n_labels)
        figures = {
            "map50": map50,
            "map50_95": boxes.mean_average_precision(found, truths, n_labels, np.arange(0.5, 0.96, 0.05))[0],
            "map50_of_shipped_threshold": boxes.mean_average_precision(shipped, truths, n_labels)[0],
            "map50_without_near_duplicates": boxes.mean_average_precision(
                [found[n] for n in unseen], [truths[n] for n in unseen], n_labels)[0],
            "score_best_f1": self.score_best,
        }
        rows = ["| class | test boxes | AP at IoU 0.5 | found | false boxes |", "| --- | ---: | ---: | ---: | ---: |"]
        operating = [one.at_least(self.score_best) for one in found]
        n_right = n_said = n_all = 0
        for label, name in enumerate(self.labels):
            _, hits, n_true = boxes.ranked(operating, truths, label, 0.5)
            n_right, n_said, n_all = n_right + int(hits.sum()), n_said + len(hits), n_all + n_true
            said = f"{each[label]:.3f}" if n_true else "none in the test"
            rows.append(f"| {name} | {n_true} | {said} | {int(hits.sum())} | {len(hits) - int(hits.sum())} |")
        figures |= {"recall_at_score": n_right / max(n_all, 1), "precision_at_score": n_right / max(n_said, 1)}
        self._write_predictions(shipped, run)
        return figures, "\n".join([
            f"mAP at IoU 0.5: {map50:.3f} (0.5 to 0.95: {figures['map50_95']:.3f}); with nothing below the shipped "
            f"confidence threshold {figures['map50_of_shipped_threshold']:.3f}; on pictures without a near-duplicate in "
            f"train {figures['map50_without_near_duplicates']:.3f}. At score {self.score_best:.2f}, the best F1 on "
            f"validation: recall {figures['recall_at_score']:.3f}, precision {figures['precision_at_score']:.3f}; "
            "`found` and `false boxes` are counted there.", "", *rows,
        ])

    def _write_predictions(self, shipped: list[boxes.Found], run: Path) -> None:
        said = []
        for name, (width, height), one in zip(self.test.names, self.test.sizes_px, shipped):
            factors = np.array([width / self.size_px[0], height / self.size_px[1]] * 2)
            said.append({"file": name, "detections": [
                {"label": self.labels[label], "score": round(float(score), 5),
                 "x1_y1_x2_y2_px": (box * factors).round(2).tolist()}
                for box, score, label in zip(one.boxes, one.scores, one.classes)
            ]})
        (run / "test-predictions.json").write_text(json.dumps({"labels": self.labels, "pictures": said}))
