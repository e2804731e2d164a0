#!/usr/bin/env python3
"""Checks the training code on toys, in seconds: losses, assignment, boxes, near-duplicates, encoder, settings."""

from __future__ import annotations

import contextlib
import io
import tempfile
import tomllib
from pathlib import Path

import cv2
import numpy as np
import torch

import assign
import boxes
import losses
import metrics
from data import augment, duplicates
from networks import lite0
from networks.detector import Candidates, Detector, grid
from networks.shipping import fold_norms

HERE = Path(__file__).resolve().parent


def random_boxes(rng: np.random.Generator, n: int, n_labels: int, side_px: float = 100.0) -> np.ndarray:
    low = rng.uniform(0, side_px * 0.7, (n, 2))
    return np.concatenate([low, low + rng.uniform(8, side_px * 0.3, (n, 2)), rng.integers(n_labels, size=(n, 1))], 1)


def toy_answers(rng: np.random.Generator, n_pictures: int, n_labels: int):
    """Truth, and detections that are the truth moved a little, with misses and inventions."""
    truths, found = [], []
    for _ in range(n_pictures):
        truth = random_boxes(rng, int(rng.integers(0, 5)), n_labels)
        said = np.concatenate([truth[rng.random(len(truth)) < 0.8], random_boxes(rng, 3, n_labels)])
        said[:, :4] += rng.normal(0, 2.5, (len(said), 4))
        scores = np.sort(rng.random(len(said)))[::-1]
        truths.append(truth)
        found.append(boxes.Found(said[:, :4], scores, said[:, 4].astype(int)))
    return truths, found


def check_average_precision_equals_pycocotools() -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng, n_labels = np.random.default_rng(3), 3
    truths, found = toy_answers(rng, 40, n_labels)
    annotations, said = [], []
    for picture, (truth, one) in enumerate(zip(truths, found), start=1):
        for x1, y1, x2, y2, label in truth:
            annotations.append({"id": len(annotations) + 1, "image_id": picture, "category_id": int(label) + 1, "iscrowd": 0,
                                "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)})
        for (x1, y1, x2, y2), score, label in zip(one.boxes, one.scores, one.classes):
            said.append({"image_id": picture, "category_id": int(label) + 1, "score": score,
                         "bbox": [x1, y1, x2 - x1, y2 - y1]})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {"info": {}, "images": [{"id": n + 1} for n in range(len(truths))], "annotations": annotations,
                        "categories": [{"id": n + 1, "name": str(n)} for n in range(n_labels)]}
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(said), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    all_overlaps, _ = boxes.mean_average_precision(found, truths, n_labels, np.arange(0.5, 0.96, 0.05))
    at_half, _ = boxes.mean_average_precision(found, truths, n_labels)
    assert abs(at_half - evaluation.stats[1]) < 1e-9, (at_half, evaluation.stats[1])
    assert abs(all_overlaps - evaluation.stats[0]) < 1e-9, (all_overlaps, evaluation.stats[0])
    assert 0.2 < at_half < 0.95, "the toy is too easy or too hard to tell anything"


def check_suppression_keeps_the_strongest_of_each_class() -> None:
    answer = np.array([  # cx, cy, width, height, scores of two classes; the last box reaches beyond the input
        [50, 50, 20, 20, 0.9, 0.1], [51, 50, 20, 20, 0.8, 0.1], [51, 50, 20, 20, 0.1, 0.7], [90, 50, 40, 20, 0.6, 0.1],
        [10, 10, 8, 8, 0.04, 0.03],
    ]).T
    found = boxes.decode(answer, (100, 100), 0.05, 0.5)
    assert found.scores.tolist() == [0.9, 0.7, 0.6] and found.classes.tolist() == [0, 1, 0]
    assert found.boxes[2].tolist() == [70, 40, 100, 60]
    # With votes the first moves to the second of its class: it overlaps by 380 / 420, itself by 1.
    voted = boxes.decode(answer, (100, 100), 0.05, 0.5, (0.5, 0.05))
    own, double = 0.9 * 0.5, 0.8 * (380 / 420 - 0.5)
    assert abs(voted.boxes[0, 0] - (40 * own + 41 * double) / (own + double)) < 1e-9, voted.boxes[0]
    assert np.allclose(voted.boxes[1:], found.boxes[1:]) and np.array_equal(voted.scores, found.scores), voted
    # A double that may not vote leaves it where it was.
    assert np.allclose(boxes.decode(answer, (100, 100), 0.05, 0.5, (0.5, 0.85)).boxes, found.boxes)


def check_giou_loss() -> None:
    one = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    assert assign.giou_loss(one, one).item() == 0
    apart = torch.tensor([[20.0, 0.0, 30.0, 10.0]])
    # No overlap, hull 300, of it 100 empty: 1 - 0 + 1 / 3.
    assert abs(assign.giou_loss(one, apart).item() - (1 + 1 / 3)) < 1e-6


def check_assignment_finds_cells_for_large_tiny_and_no_boxes() -> None:
    centres, strides = grid((64, 64), (8, 16))
    cells = torch.cat([centres - strides * 2, centres + strides * 2], 1)
    scores = torch.full((len(centres), 2), 0.01)
    tiny = [30.5, 30.5, 32.0, 32.0, 0.0]  # no centre lies in it
    large = [2.0, 2.0, 60.0, 60.0, 1.0]
    owner, wished = assign.assign(cells, scores, torch.tensor([large, tiny]), centres, 8.0)
    for box in (0, 1):
        assert 1 <= int((owner == box).sum()) <= assign.CELLS_A_BOX, f"box {box} has {(owner == box).sum()} cells"
    assert ((wished >= 0) & (wished <= 1)).all() and (wished[owner < 0] == 0).all()
    best = assign.pairwise_iou(torch.tensor([large[:4]]), cells[owner == 0]).max()
    assert abs(float(wished[owner == 0].max() - best)) < 1e-5, "the best cell is asked for the overlap it reaches"
    owner, wished = assign.assign(cells, scores, torch.zeros(0, 5), centres, 8.0)
    assert (owner == -1).all() and wished.sum() == 0


def check_a_detector_learns_one_picture() -> None:
    torch.manual_seed(0)
    size = (64, 64)
    network = Detector(2, [8, 16], 16, pretrained=False, n_frozen=0).train()
    truth = [torch.tensor([[8.0, 8.0, 40.0, 30.0, 1.0], [44.0, 40.0, 60.0, 60.0, 0.0]])] * 2
    image = torch.rand(1, 3, *size).repeat(2, 1, 1, 1)
    optimizer = torch.optim.AdamW(network.parameters(), 5e-3)
    first = None
    for _ in range(50):
        loss = assign.detection_loss(network(image), truth, grid(size, (8, 16))[0], 8.0)
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * first, f"the loss only went from {first} to {loss.item()}"
    with torch.no_grad():
        shipped = Candidates(network, size)(image)[0].numpy()
    assert shipped.shape == (6, 80) and (shipped[2:4] > 0).all() and (0 <= shipped[4:]).all() and (shipped[4:] <= 1).all()


def check_a_picture_and_its_mirror_image_get_the_same_boxes() -> None:
    torch.manual_seed(1)
    network = Detector(3, [8, 16, 32], 16, pretrained=False, n_frozen=0).eval()
    for head in network.heads:
        torch.nn.init.normal_(head.reach.weight, std=0.1)
        torch.nn.init.normal_(head.scores.weight, std=0.1)
    size, image = (96, 64), torch.rand(1, 3, 64, 96)

    def sorted_rows(said: torch.Tensor) -> torch.Tensor:
        rows = said[0].T.round(decimals=3)
        return rows[np.lexsort(rows.numpy().T)]

    for mirror, axis in (("horizontal", 3), ("vertical", 2)):
        both = Candidates(network, size, (mirror,))
        with torch.no_grad():
            plain, mirrored = both(image), both(image.flip(axis))
        place = 0 if mirror == "horizontal" else 1
        mirrored[:, place] = size[place] - mirrored[:, place]
        assert torch.allclose(sorted_rows(plain), sorted_rows(mirrored), atol=2e-3), mirror


def check_folding_norms_changes_nothing() -> None:
    torch.manual_seed(1)
    network = lite0.Lite0().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = [feature.clone() for feature in network(x)]
        after = fold_norms(network)(x)
    assert [tuple(f.shape[2:]) for f in after] == [(32, 32), (16, 16), (8, 8), (4, 4), (2, 2)]
    assert max(float((a - b).abs().max()) for a, b in zip(before, after)) < 1e-4


def check_masks_and_boxes_follow_the_picture() -> None:
    rng = np.random.default_rng(5)
    settings = {"flips": ["horizontal", "vertical"], "quarter_turns": True, "turn_degrees_max": 0.0, "scale": [0.8, 1.2],
                "stretch_max": 1.1, "shift_max": 0.05}
    for _ in range(30):
        mask = np.zeros((96, 96), np.uint8)
        mask[30:60, 40:50] = 1
        matrix = augment.affine(rng, (96, 96), settings)
        moved = augment.warp(mask, matrix, (96, 96), mirrored_border=False)
        picture = augment.warp(mask[..., None].repeat(3, 2) * 200, matrix, (96, 96), mirrored_border=False)
        box = augment.warp_boxes(np.array([[40, 30, 50, 60, 2.0]]), matrix, (0, 0, 96, 96))[0]
        rows, columns = np.nonzero(moved == 1)
        seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert np.abs(box[:4] - seen).max() <= 1.0 and box[4] == 2, (box, seen)
        assert ((picture[..., 0] > 150) & (picture[..., 0] != 114) != (moved == 1)).mean() < 0.01


def check_near_duplicates_are_found_and_strangers_are_not() -> None:
    rng = np.random.default_rng(7)

    def blotches() -> np.ndarray:
        return cv2.resize(rng.integers(0, 255, (12, 12, 3), np.uint8), (128, 128), interpolation=cv2.INTER_CUBIC)

    others = [blotches() for _ in range(20)]
    noisy = np.clip(others[4].astype(int) + rng.integers(-8, 9, others[4].shape), 0, 255).astype(np.uint8)
    assert duplicates.alike([noisy, blotches(), others[9][:, ::-1].copy()], others) == [(0, 4), (2, 9)]


def check_map_loss_is_small_only_where_the_answer_is_right() -> None:
    truth = torch.tensor([[[0, 1], [losses.IGNORE, 2]]])
    right = torch.nn.functional.one_hot(truth.clamp(max=2), 3).permute(0, 3, 1, 2) * 12.0
    weights = torch.ones(3)
    assert losses.map_loss(right, truth, weights) < 0.01 < 1 < losses.map_loss(-right, truth, weights)
    elsewhere = right.clone()
    elsewhere[0, :, 1, 0] = torch.tensor([0.0, 9.0, 0.0])
    assert torch.equal(losses.map_loss(right, truth, weights), losses.map_loss(elsewhere, truth, weights)), "IGNORE is counted"


def check_foreground_counts_equal_plain_counting() -> None:
    rng = np.random.default_rng(9)
    defect, truth, thresholds = rng.random((20, 20)), rng.integers(0, 3, (20, 20)), np.array([0.2, 0.5, 0.8])
    plain = [[((defect >= t) & (truth > 0)).sum(), (defect >= t).sum(), (truth > 0).sum()] for t in thresholds]
    assert metrics.foreground_counts(defect, truth, thresholds).tolist() == plain


def check_wilson_interval() -> None:
    low, high = metrics.wilson(258, 261)  # by hand: 0.9668 to 0.9961
    assert abs(low - 0.9668) < 5e-4 and abs(high - 0.9961) < 5e-4
    assert metrics.wilson(10, 10)[1] == 1.0


def check_strip_renders_follow_their_seed_and_their_masks() -> None:
    from data.renders import render

    strip = render.load_scene("strip")
    for value, name in enumerate(strip.CLASSES, start=1):
        steps = []
        for seed in range(12):
            part, again = (strip.draw(np.random.default_rng(seed), [name], []) for _ in range(2))
            assert np.array_equal(part.image, again.image) and np.array_equal(part.mask, again.mask), (name, seed)
            assert set(np.unique(part.mask)) <= {0, value}, (name, seed)
            if 0 < (part.mask > 0).mean() < 1:
                steps.append(part.image[part.mask > 0].mean() - np.median(part.image[part.mask == 0]))
        # Scratches are bright, the others dark; a lamp that hangs askew may turn round one picture or two.
        assert len(steps) >= 9 and np.median(steps) * (1 if name == "scratches" else -1) > 5, (name, steps)
    assert not strip.draw(np.random.default_rng(3), [], []).mask.any()


def check_sensor_noise_grows_with_the_light() -> None:
    import surface

    for grey in (0.0, 50.0, 200.0):
        seen = surface.sensor_noise(np.random.default_rng(1), np.full((200, 200), grey, np.float32), 1.2)
        expected = 1.2**2 + surface.SHOT_NOISE * grey
        assert abs(seen.var() / expected - 1) < 0.05, (grey, seen.var(), expected)


def check_the_mixture_fades_from_renders_to_real_pictures() -> None:
    from tasks.mixed import Mixed

    task = Mixed.__new__(Mixed)
    task.rendered_share, task.settings = [0.75, 0.0], {"training": {"batch": 12, "steps": 100}}
    assert [task.n_rendered(step) for step in (0, 50, 99)] == [9, 4, 0]
    task.rendered_share = [1.0, 1.0]
    assert [task.n_rendered(step) for step in (0, 99)] == [12, 12]


def check_a_stopped_run_of_two_rounds_goes_on_as_if_it_had_not_stopped() -> None:
    from loop import Run

    class Line:
        """y = 2 x."""

        def rounds(self) -> list[int]:
            return [20, 10]

        def network(self) -> torch.nn.Module:
            return torch.nn.Conv2d(1, 1, 1)

        def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
            x = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(step))
            return x, 2 * x

        def loss(self, answer: torch.Tensor, truth: torch.Tensor, _progress: float) -> torch.Tensor:
            return ((answer - truth) ** 2).mean()

    settings = {"training": {"seed": 1, "learning_rate": 0.1, "weight_decay": 0.0}}
    with tempfile.TemporaryDirectory() as folder:
        for stops in ([], [5], [20], [25]):
            run, rates = Run(Line(), settings, Path(folder), "cpu"), []
            while run.step < run.n_steps:
                if run.step in stops:
                    run.keep(0.0)
                    run = Run(Line(), settings, Path(folder), "cpu")
                    run.resume()
                rates.append(run.optimizer.param_groups[0]["lr"])
                run.one_step()
                run.step += 1
                run.begin_round()
            said = [*rates, *(value.item() for value in run.network.parameters())]
            expected = said if not stops else expected
            assert said == expected, (stops, said, expected)
        assert rates[19] < rates[0] == rates[20] < max(rates[20:]), rates


def check_settings_files_are_whole() -> None:
    from train import read_settings

    for path in sorted(set(HERE.glob("*.toml")) - {HERE / "backbone.toml"}):  # that one is for backbone.py
        settings = read_settings(path, None)
        assert {"name", "version", "description", "input", "training", "card"} <= set(settings), path.name
        tomllib.loads(path.read_text())


def main() -> None:
    torch.set_num_threads(1)
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            check()
            print(f"ok  {name.removeprefix('check_').replace('_', ' ')}", flush=True)


if __name__ == "__main__":
    main()
