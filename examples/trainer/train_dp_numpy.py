"""A trainer for `veilsum join --exec` in tasks whose noise hides one example (`--unit example`): DP-SGD, which needs only numpy.

    python3 train_dp_numpy.py --init model.safetensors
    veilsum join --config member.toml --exec 'python3 train_dp_numpy.py --data digits.csv --part 0/3' --rounds 10

Softmax regression, one step a round. The noise is the client's work. What makes it cover an example is this program's, and nobody can
check it from outside:

- The update is a sum of parts, one for each example, and a part depends on its example, the model and public numbers alone. So features
  are divided by --scale and not by the largest value of the data, and the sum by --examples, which is public, and not by how many there are.
- A part keeps to the task's example clip, with a little room, since adding rounds. One whose norm is not finite becomes zero before it is
  added: 0 times infinity is no number, and in the sum it would cost the parts of all others.
- Sums are made in float64, each example's gradient by itself: its bits do not depend on what stands beside it.
- What is drawn is drawn for the places of the table, from public numbers, which hide nobody. A row that is no example leaves its place empty.
- No row makes it end with another status than 0: who takes part is seen by all. It ends so only for what it is told by task and command line.
"""

import argparse
import csv
import os
import sys

import numpy as np

import tensor_file

# room for the rounding of a sum of 2^20 parts
ROOM = 2.0**-19


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="CSV file, the class in the last column")
    parser.add_argument("--part", default="0/1", help="rows of this member: I/N takes each N-th row from row I on")
    parser.add_argument("--skip", type=int, default=300, help="first rows, kept for --evaluate")
    parser.add_argument("--features", type=int, default=64, help="columns beside the class")
    parser.add_argument("--classes", type=int, default=10, help="classes, from 0 on")
    parser.add_argument("--scale", type=float, default=16.0, help="public number that features are divided by")
    parser.add_argument("--examples", type=int, default=500, help="public number that the sum is divided by, and the most examples that count")
    parser.add_argument("--clip", type=float, default=1.0, help="longest gradient of one example (L2)")
    parser.add_argument("--rate", type=float, default=4.0, help="step size; rate times clip over examples is what one example adds at most")
    parser.add_argument("--sampling", type=float, default=1.0, help="share of the places that a round takes, drawn from public numbers")
    parser.add_argument("--init", metavar="FILE", help="write the first model and end")
    parser.add_argument("--evaluate", metavar="MODEL", help="print the accuracy of a model on the skipped rows and end")
    return parser.parse_args()


def example(row, args):
    """Features and class of a row, or nothing."""
    try:
        values = np.array([float(cell) for cell in row])
    except ValueError:
        return None
    if len(values) != args.features + 1 or not np.isfinite(values).all():
        return None
    label = int(values[-1])
    if label != values[-1] or not 0 <= label < args.classes:
        return None
    return values[:-1] / args.scale, label


def cells(line):
    """The cells of a row, none if it cannot be read."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def places(args, held_out=False):
    """The rows of this member in their order, one line each; an empty place is None."""
    with open(args.data, encoding="utf-8", errors="replace") as file:
        lines = file.read().split("\n")
    lines = lines[: args.skip] if held_out else lines[args.skip :]
    part, parts = (0, 1) if held_out else map(int, args.part.split("/"))
    return [example(cells(line), args) for line in lines[part::parts]]


def error_of(features, label, weight, bias):
    """The gradient of the cross-entropy by the scores."""
    scores = features @ weight + bias
    scores = np.exp(scores - scores.max())
    error = scores / scores.sum()
    error[label] -= 1.0
    return error


def step(rows, weight, bias, args, drawn):
    """Minus the sum of the clipped gradients of the drawn examples, times the rate, over a public number."""
    bound = args.clip * (1.0 - ROOM)
    weight_sum, bias_sum = np.zeros_like(weight), np.zeros_like(bias)
    for row, is_drawn in zip(rows, drawn):
        if row is None or not is_drawn:
            continue
        features, label = row
        error = error_of(features, label, weight, bias)
        # the gradient is the outer product of (features, 1) and error
        norm = np.sqrt((features @ features + 1.0) * (error @ error))
        if not np.isfinite(norm):
            continue
        error = error * min(1.0, bound / norm) if norm > 0.0 else error
        weight_sum -= np.outer(features, error)
        bias_sum -= error
    factor = args.rate / args.examples
    return weight_sum * factor, bias_sum * factor


def refuse(text):
    print(text, file=sys.stderr)
    sys.exit(2)


def check_task(args):
    """What task and command line say, and no example: a task that this program does not keep to is refused."""
    if os.environ.get("VEILSUM_PRIVACY_UNIT") != "example":
        refuse("the noise of the task does not hide an example")
    norm, bound = os.environ["VEILSUM_EXAMPLE_CLIP"].split(":")
    adds = args.rate * args.clip / args.examples
    if norm != "l2" or adds > float(bound):
        refuse(f"an example adds up to l2:{adds}, the noise of the task is for {norm}:{bound}")


def main():
    args = arguments()
    if args.init:
        first = {"output.weight": np.zeros((args.features, args.classes)), "output.bias": np.zeros(args.classes)}
        tensor_file.save(args.init, first)
        return
    if args.evaluate:
        rows = [row for row in places(args, held_out=True) if row is not None]
        model = tensor_file.load(args.evaluate)
        found = [np.argmax(features @ model["output.weight"] + model["output.bias"]) == label for features, label in rows]
        print(f"accuracy {np.mean(found):.4f} on {len(rows)} rows")
        return

    check_task(args)
    model = tensor_file.load(os.environ["VEILSUM_MODEL"])
    weight, bias = model["output.weight"].astype(np.float64), model["output.bias"].astype(np.float64)
    rows = places(args)[: args.examples]
    # the member and the round are all there is in the seed: both are public
    seed = [int(args.part.split("/")[0]), int(os.environ["VEILSUM_ROUND"])]
    drawn = np.random.default_rng(seed).random(args.examples) < args.sampling
    with np.errstate(all="ignore"):
        weight, bias = step(rows, weight, bias, args, drawn)
    # float64, as the task has them; no file for the weight, since noise goes without weights
    tensor_file.save(os.environ["VEILSUM_UPDATE"], {"output.weight": weight, "output.bias": bias})


if __name__ == "__main__":
    main()
