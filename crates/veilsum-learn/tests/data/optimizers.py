"""Golden values of the server optimisers, from the formulas of Reddi et al. (2021) and Hsu et al. (2019), with numpy only.

Prints a line for each optimiser: name, then the three weights (f64, exact decimal) after each of four rounds.
"""

import numpy as np

START = np.array([0.5, -1.0, 2.0])
MEANS = np.array([[0.3, -0.2, 0.0], [0.1, 0.4, -1e-3], [-0.5, 0.25, 2.0], [0.05, 0.0, -1.0]])
RATES = [0.1, 0.2, 0.2, 0.05]
BETA1, BETA2, TAU, MOMENTUM = 0.9, 0.99, 1e-3, 0.8


def run(kind):
    x, m, v = START.copy(), np.zeros(3), np.full(3, TAU**2)
    out = []
    for mean, rate in zip(MEANS, RATES):
        if kind == "sgd":
            m = MOMENTUM * m + mean
            x = x + rate * m
        else:
            m = BETA1 * m + (1 - BETA1) * mean
            square = mean**2
            if kind == "adagrad":
                v = v + square
            elif kind == "adam":
                v = BETA2 * v + (1 - BETA2) * square
            elif kind == "yogi":
                v = v - (1 - BETA2) * square * np.sign(v - square)
            x = x + rate * m / (np.sqrt(v) + TAU)
        out.extend(x)
    return out


for kind in ["sgd", "adagrad", "adam", "yogi"]:
    print(",".join([kind] + [repr(float(value)) for value in run(kind)]))
