"""A classifier of two interleaved moons, in NumPy alone: any Python function can be a runner."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from hypersweep import LiveTrial

ACTIVATIONS = {
    "tanh": (np.tanh, lambda y: 1 - y**2),
    "relu": (lambda x: np.maximum(x, 0), lambda y: (y > 0).astype(float)),
}


def make_moons(num_points: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points (num_points, 2) on two half circles with noise, and which of the two each is on."""
    angle = rng.uniform(0, np.pi, num_points)
    label = rng.integers(0, 2, num_points)
    points = np.stack([np.cos(angle) + label, np.sin(angle) * (1 - 2 * label) + 0.5 * label], axis=1)
    return points + rng.normal(0, 0.2, points.shape), label


def train(params: Mapping[str, Any], trial: LiveTrial) -> dict[str, Any]:
    """One trial: `params` are from hyper.test, `trial.settings` from hyper.yaml."""
    rng = np.random.default_rng(trial.seed)
    points, label = make_moons(2 * trial.settings["num_points"], rng)
    (train_points, valid_points), (train_label, valid_label) = np.split(points, 2), np.split(label, 2)
    activate, slope = ACTIVATIONS[params["activation"]]
    sizes = [2, *params["hidden_sizes"], 1]
    weights = [rng.normal(0, 1 / np.sqrt(rows), (rows, columns)) for rows, columns in itertools.pairwise(sizes)]
    biases = [np.zeros(columns) for columns in sizes[1:]]

    def forward(x: np.ndarray) -> list[np.ndarray]:
        layers = [x]
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            layers.append(activate(layers[-1] @ weight + bias))
        logit = layers[-1] @ weights[-1] + biases[-1]
        return [*layers, 1 / (1 + np.exp(-logit))]

    accuracy = 0.0
    for epoch in range(trial.settings["epochs"]):
        for rows in np.array_split(rng.permutation(len(train_points)), 20):
            layers = forward(train_points[rows])
            gradient = (layers[-1] - train_label[rows, None]) / len(rows)
            for index in reversed(range(len(weights))):
                passed_on = gradient @ weights[index].T * slope(layers[index]) if index else gradient
                weights[index] -= params["learning_rate"] * layers[index].T @ gradient
                biases[index] -= params["learning_rate"] * gradient.sum(axis=0)
                gradient = passed_on
        accuracy = float(((forward(valid_points)[-1][:, 0] > 0.5) == valid_label).mean())
        trial.report(epoch, {"accuracy": accuracy})
    print(f"accuracy after {epoch + 1} epochs: {accuracy:.3f}")  # goes to the trial's log
    return {"accuracy": accuracy}
