"""Training with other libraries, on the same files and networks as ``full_fit``.

The functions augment within the ranges of the report and compute the accuracy on the
training images, as octsk does. Each returns a dict with the seconds of each epoch
(``training``) and the ``accuracy`` of the last epoch.
"""

import time
from contextlib import nullcontext
from typing import Any

import numpy as np

from benchmarks.augmentation_speed import random_layers
from benchmarks.full_fit import BATCH_SIZE, OPTIMIZERS, new_clock, read_splits, report_model

TORCH_OPTIMIZERS = {"small": "Adam", "medium": "NAdam"}


def scikeras_classifier(net, n_classes, *, augmentation=(), **params):
    """Create a plain scikeras classifier with the network of the report."""
    import keras
    from scikeras.wrappers import KerasClassifier

    def model(meta):
        shape = meta["X_shape_"][1:]
        layers = report_model(net, shape, n_classes).layers
        return keras.Sequential([keras.Input(shape), *augmentation, *layers])

    return KerasClassifier(
        model,
        optimizer=OPTIMIZERS[net],
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        batch_size=BATCH_SIZE,
        verbose=0,
        **params,
    )


def fit_scikeras(path: str, net: str, n: int, epochs: int) -> dict[str, Any]:
    """Train with scikeras, with Keras's random layers in front of the network."""
    import keras

    train, _ = read_splits(path, n)
    x = train.data[:n, ..., np.newaxis] / np.float32(255)
    clock = new_clock(keras.callbacks.Callback)
    clf = scikeras_classifier(
        net,
        len(np.unique(train.target)),
        augmentation=random_layers("training"),
        epochs=epochs,
        callbacks=clock,
    ).fit(x, train.target[:n])
    return {"training": clock.training, "accuracy": float(clf.history_["accuracy"][-1])}


def fit_torch(
    path: str, net: str, n: int, epochs: int, bfloat16: bool = False
) -> dict[str, Any]:
    """Train with a plain PyTorch loop on channels-last images, optionally with autocast."""
    import torch

    images, y, model, optimizer = _torch(path, net, n)
    loss_function = torch.nn.CrossEntropyLoss()
    reduced = torch.autocast("cpu", torch.bfloat16) if bfloat16 else nullcontext()
    seconds, correct = [], torch.zeros(())
    for _ in range(epochs):
        start = time.perf_counter()
        correct.zero_()
        for index in torch.randperm(n).split(BATCH_SIZE):
            optimizer.zero_grad()
            with reduced:
                z = model(images[index])
                loss = loss_function(z, y[index])
            loss.backward()
            optimizer.step()
            correct += (z.argmax(1) == y[index]).sum()
        accuracy = float(correct) / n
        seconds.append(time.perf_counter() - start)
    return {"training": seconds, "accuracy": accuracy}


def fit_skorch(path: str, net: str, n: int, epochs: int) -> dict[str, Any]:
    """Train the network of `fit_torch` with skorch."""
    import torch
    from skorch import NeuralNetClassifier
    from skorch.callbacks import EpochScoring

    images, y, model, optimizer = _torch(path, net, n)
    clf = NeuralNetClassifier(
        model,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=type(optimizer),
        lr=optimizer.defaults["lr"],
        batch_size=BATCH_SIZE,
        max_epochs=epochs,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[EpochScoring("accuracy", on_train=True, name="accuracy")],
        verbose=0,
    ).fit(images, y)
    return {
        "training": clf.history[:, "dur"],
        "accuracy": float(clf.history[-1, "accuracy"]),
    }


def _torch(path, net, n):
    """Return tensors of uint8 images and labels, the network and its optimizer."""
    import torch

    train, _ = read_splits(path, n)
    images = torch.from_numpy(train.data[:n, np.newaxis])
    y = torch.from_numpy(train.target[:n].astype(np.int64))
    torch.manual_seed(0)
    model = _torch_model(net, images.shape[-1], len(np.unique(train.target)))
    model = model.to(memory_format=torch.channels_last)
    make = getattr(torch.optim, TORCH_OPTIMIZERS[net])
    return images, y, model, make(model.parameters(), lr=1e-3)


def _torch_model(net, side, n_classes):
    from torch import nn

    filters, units = {
        "small": ((32, 32), (64,)),
        "medium": ((128, 512, 1024), (256, 128)),
    }[net]
    layers, size, width = [_torch_augmentation(side)], side, 1
    for i, n in enumerate(filters):
        if i > 0:
            layers.append(nn.MaxPool2d(2))
            size //= 2
        layers += [nn.Conv2d(width, n, 3), nn.ReLU()]
        size, width = size - 2, n
    layers.append(nn.Flatten())
    width *= size**2
    for n in units:
        layers += [nn.Linear(width, n), nn.ReLU()]
        width = n
    return nn.Sequential(*layers, nn.Linear(width, n_classes))


def _torch_augmentation(side):
    """Create a layer that scales uint8 images and warps them in training as octsk does."""
    import torch
    from torch.nn import functional

    from octsk import OCTAugmenter

    augmenter, rng = OCTAugmenter.from_preset("training"), np.random.default_rng(0)

    class Augmentation(torch.nn.Module):
        def forward(self, images):
            x = images.to(memory_format=torch.channels_last) / 255
            if not self.training:
                return x
            draws = augmenter.draw(len(x), (side, side, 1), rng)
            rows = torch.from_numpy(draws[:, :6]).reshape(-1, 2, 3).clone()
            # Convert pixels to torch's coordinates, in which an image extends from -1 to 1.
            rows[:, :, 2] = rows.sum(2) + rows[:, :, 2] * (2 / (side - 1) - 1) - 1
            grid = functional.affine_grid(rows, x.shape, align_corners=True)
            return functional.grid_sample(
                x, grid, padding_mode="border", align_corners=True
            )

    return Augmentation()
