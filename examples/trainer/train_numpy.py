"""A trainer for `veilsum join --exec` that needs only numpy: softmax regression by mini-batch gradient descent.

    python3 train_numpy.py --init model.safetensors --data digits.csv
    veilsum join --config member.toml --exec 'python3 train_numpy.py --data digits.csv --part 0/3' --rounds 10

The data are a CSV file without a header: numbers, and the class, a whole number from 0 on, in the last column. --part I/N
takes each N-th row from row I on, to try several members on one file; --skip leaves the first rows out, and
--evaluate MODEL prints the accuracy of a model on these first rows.
"""

import argparse
import os

import numpy as np

import tensor_file


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="CSV file, the class in the last column")
    parser.add_argument("--part", default="0/1", help="rows of this member: I/N takes each N-th row from row I on")
    parser.add_argument("--skip", type=int, default=300, help="first rows, kept for --evaluate")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--init", metavar="FILE", help="write the first model and end")
    parser.add_argument("--evaluate", metavar="MODEL", help="print the accuracy of a model on the skipped rows and end")
    return parser.parse_args()


def examples(args, held_out=False):
    rows = np.loadtxt(args.data, delimiter=",", dtype=np.float64)
    scale = np.abs(rows[:, :-1]).max() or 1.0
    classes = int(rows[:, -1].max()) + 1
    rows = rows[: args.skip] if held_out else rows[args.skip :]
    part, parts = (0, 1) if held_out else map(int, args.part.split("/"))
    rows = rows[part::parts]
    return rows[:, :-1] / scale, rows[:, -1].astype(int), classes


def probabilities(features, weight, bias):
    scores = features @ weight + bias
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


def train(features, labels, classes, weight, bias, args, seed):
    random = np.random.default_rng(seed)
    for _ in range(args.epochs):
        order = random.permutation(len(labels))
        for start in range(0, len(order), args.batch):
            rows = order[start : start + args.batch]
            error = probabilities(features[rows], weight, bias) - np.eye(classes)[labels[rows]]
            weight = weight - args.rate * features[rows].T @ error / len(rows)
            bias = bias - args.rate * error.mean(axis=0)
    return weight, bias


def main():
    args = arguments()
    if args.evaluate:
        features, labels, _ = examples(args, held_out=True)
        model = tensor_file.load(args.evaluate)
        found = probabilities(features, model["output.weight"], model["output.bias"]).argmax(axis=1)
        print(f"accuracy {np.mean(found == labels):.4f} on {len(labels)} rows")
        return
    features, labels, classes = examples(args)
    if args.init:
        first = {"output.weight": np.zeros((features.shape[1], classes)), "output.bias": np.zeros(classes)}
        tensor_file.save(args.init, {name: array.astype(np.float32) for name, array in first.items()})
        return

    # what `veilsum join --exec` hands over
    model = tensor_file.load(os.environ["VEILSUM_MODEL"])
    round_number = int(os.environ["VEILSUM_ROUND"])
    before = model["output.weight"].astype(np.float64), model["output.bias"].astype(np.float64)

    # the round is part of the seed: no two rounds train on the same order
    part = int(args.part.split("/")[0])
    weight, bias = train(features, labels, classes, *before, args, seed=[part, round_number])

    # the update is what training changed, under the names and types of the model
    update = {"output.weight": weight - before[0], "output.bias": bias - before[1]}
    update = {name: array.astype(model[name].dtype) for name, array in update.items()}
    tensor_file.save(os.environ["VEILSUM_UPDATE"], update)
    with open(os.environ["VEILSUM_WEIGHT"], "w") as file:
        file.write(str(len(labels)))


if __name__ == "__main__":
    main()
