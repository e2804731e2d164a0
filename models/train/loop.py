"""The training loop of every model: steps, moving average, checkpoints, early stop, one line of progress.

Every step draws its batch from the seed and the step's number, so a run that was stopped goes on
from its last checkpoint exactly as if it had not been.
"""

from __future__ import annotations

import copy
import math
import sys
import time
from pathlib import Path

import torch
from torch import nn

GRADIENT_NORM_MAX = 2.0


class Average:
    """Moving average of a network's weights and statistics: what is validated and shipped."""

    def __init__(self, network: nn.Module, decay: float):
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        """At first the average follows closely, else the random start would stay in it for long."""
        keep = min(self.decay, (1 + step) / (10 + step)) if self.decay else 0.0
        for ours, theirs in zip(self.network.state_dict().values(), network.state_dict().values()):
            if ours.dtype.is_floating_point:
                ours.lerp_(theirs, 1 - keep)
            else:
                ours.copy_(theirs)


def _groups(network: nn.Module, training: dict) -> list[dict]:
    """Pretrained weights learn slower by `encoder_rate`; norms and biases are not decayed."""
    rate, decay = training["learning_rate"], training["weight_decay"]
    groups: dict[tuple[float, float], list] = {}
    for name, weight in network.named_parameters():
        if weight.requires_grad:
            slower = training.get("encoder_rate", 1.0) if name.startswith("encoder.") else 1.0
            groups.setdefault((rate * slower, decay if weight.ndim > 1 else 0.0), []).append(weight)
    return [{"params": weights, "max_lr": lr, "weight_decay": wd} for (lr, wd), weights in groups.items()]


class Run:
    """One training: everything that a checkpoint must hold."""

    def __init__(self, task, settings: dict, folder: Path, device: str):
        self.task, self.training, self.folder, self.device = task, settings["training"], folder, device
        self.rounds = task.rounds()
        self.n_steps = sum(self.rounds)
        torch.manual_seed(self.training["seed"])
        self.network = task.network().to(device, memory_format=torch.channels_last).train()
        self.average = Average(self.network, self.training.get("average_decay", 0.0))
        self.optimizer = torch.optim.AdamW(_groups(self.network, self.training))
        self.step, self.best_worth, self.best_step, self.core_minutes = 0, -math.inf, 0, 0.0
        self.begin_round()

    def begin_round(self) -> None:
        """Where a round begins, the rate starts to rise and fall anew (Loshchilov and Hutter, ICLR 2017)."""
        first = 0
        for n_steps in self.rounds:
            if first == self.step:
                rates = [group["max_lr"] for group in self.optimizer.param_groups]
                self.schedule = torch.optim.lr_scheduler.OneCycleLR(
                    self.optimizer, rates, total_steps=n_steps + 1, pct_start=0.15
                )
            first += n_steps

    def _parts(self) -> dict:
        return {"network": self.network, "average": self.average.network, "optimizer": self.optimizer,
                "schedule": self.schedule}

    def resume(self) -> None:
        """Goes on from `last.pt` if there is one."""
        path = self.folder / "last.pt"
        if not path.exists():
            return
        kept = torch.load(path, weights_only=True, map_location=self.device)
        for name, part in self._parts().items():
            part.load_state_dict(kept[name])
        self.step, self.best_worth, self.best_step = kept["step"], kept["best_worth"], kept["best_step"]
        self.core_minutes = kept["core_minutes"]
        print(f"goes on from step {self.step} of {self.n_steps}", flush=True)

    def keep(self, worth: float) -> None:
        """Writes the checkpoint, and the averaged weights where they are the best so far."""
        if worth >= self.best_worth:
            self.best_worth, self.best_step = worth, self.step
            torch.save(self.average.network.state_dict(), self.folder / "best.pt")
        kept = {name: part.state_dict() for name, part in self._parts().items()}
        kept |= {"step": self.step, "best_worth": self.best_worth, "best_step": self.best_step,
                 "core_minutes": self.core_minutes}
        temporary = self.folder / "last.tmp"
        torch.save(kept, temporary)
        temporary.rename(self.folder / "last.pt")

    def one_step(self) -> float:
        """One batch forth and back; the loss."""
        # bfloat16 pays where the hardware has it: on an accelerator, and on a CPU only where a model asks for it.
        half = self.device != "cpu" or self.training.get("bfloat16_on_cpu", False)
        images, truth = self.task.batch(self.step)
        images = images.to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device, torch.bfloat16, enabled=half):
            answer = self.network(images)
        loss = self.task.loss(answer, truth, self.step / self.n_steps)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM_MAX)
        self.optimizer.step()
        self.schedule.step()
        self.average.follow(self.network, self.step)
        return loss.item()


def _say(text: str, is_last: bool) -> None:
    """Progress on one line of a terminal; a log file gets only the validations."""
    if is_last:
        print(f"\r{text}" if sys.stdout.isatty() else text, flush=True)
    elif sys.stdout.isatty():
        print(f"\r{text}", end="", flush=True)


def train(task, settings: dict, folder: Path, device: str) -> Run:
    """Trains from the start or from the last checkpoint, until the steps are done or nothing gets better."""
    run = Run(task, settings, folder, device)
    run.resume()
    every, patience = task.validate_every(), run.training.get("patience", 0)
    started, busy, first_step, mean_loss = time.monotonic(), time.process_time(), run.step, 0.0
    while run.step < run.n_steps:
        if patience and run.step - run.best_step > patience * every and run.best_step:
            print(f"stops early: nothing better since step {run.best_step}", flush=True)
            break
        mean_loss += run.one_step()
        run.step += 1
        run.begin_round()
        since = run.step % every or every
        seconds = (time.monotonic() - started) / (run.step - first_step)
        head = f"step {run.step}/{run.n_steps} loss {mean_loss / since:.3f} {seconds:.2f} s/step"
        if run.step % every and run.step < run.n_steps:
            _say(head, is_last=False)
            continue
        figures = task.validate(run.average.network)
        run.core_minutes += (time.process_time() - busy) / 60
        busy = time.process_time()
        run.keep(figures["worth"])
        said = " ".join(f"{name} {value:.3f}" for name, value in figures.items())
        _say(f"{head} {said} {run.core_minutes:.1f} core-minutes", is_last=True)
        mean_loss = 0.0
    return run


def best_of(task, folder: Path) -> nn.Module:
    """The network with the best weights that the run has kept, on the CPU and in test mode."""
    network = task.network()
    network.load_state_dict(torch.load(folder / "best.pt", weights_only=True, map_location="cpu"))
    return network.eval()


def facts(folder: Path) -> dict[str, str]:
    """What the card says of the run."""
    kept = torch.load(folder / "last.pt", weights_only=True, map_location="cpu")
    return {
        "steps": f"{kept['step']} steps, the best weights on validation at step {kept['best_step']}",
        "core_minutes": f"{kept['core_minutes']:.0f}",
    }
