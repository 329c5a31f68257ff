"""scikit-learn's MLPClassifier: partial_fit on the same batch, without momentum and penalty."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier
from works import MLP

from . import Entry


def enter(work):
    if not isinstance(work.net, MLP):
        return None
    x, t = work.data()
    same = work.net.sigma == "relu"
    classes = np.arange(work.net.sizes[-1])
    labels = t if same else t.argmax(axis=1)
    mlp = MLPClassifier(
        work.net.sizes[1:-1], activation="relu" if same else "logistic", solver="sgd", alpha=0.0, momentum=0.0,
        nesterovs_momentum=False, learning_rate_init=work.lr, batch_size=work.batch)  # fmt: skip
    mlp.partial_fit(x, labels, classes=classes)
    start = work.start()
    for i, (w, b) in enumerate(zip(mlp.coefs_, mlp.intercepts_, strict=True), 1):
        w[...], b[...] = start[f"{i}.w"].T, start[f"{i}.b"]

    def step():
        mlp.partial_fit(x, labels)

    def weights():
        found = {f"{i}.w": w.T for i, w in enumerate(mlp.coefs_, 1)}
        return found | {f"{i}.b": b for i, b in enumerate(mlp.intercepts_, 1)}

    return Entry(step, weights) if same else Entry(step, note="softmax and cross-entropy in the end")
