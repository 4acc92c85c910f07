#!/usr/bin/env python3
"""Measures what bits, subsets and privacy cost, with `veilsum train`, and prints the tables of docs/accuracy.md.

    python3 examples/accuracy/measure.py [--veilsum PROGRAM] [--seeds N] > tables.md

Each row is the mean over N seeds (3), which choose the split, the first model and the order of the examples; "worst" is the
largest loss over the seeds. Every round of every run is a real masked round whose sum is compared with the plain one.
Needs nothing but Python and the program; takes some minutes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def run(program, text, seed):
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "train.toml"
        job.write_text(f"seed = {seed}\n{text}")
        command = [program, "train", "--config", job, "--out", Path(folder) / "out", "--baseline", "--json"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}\n{text}\n{done.stderr}")
        summary = json.loads(done.stdout.splitlines()[-1])
        assert summary["exact"] is True, text
        return summary


def runs(args, text):
    print(".", end="", file=sys.stderr, flush=True)
    return [run(args.veilsum, text, seed) for seed in range(1, args.seeds + 1)]


def mean(found):
    return statistics.fmean(found)


def accuracy(summaries, key):
    return [summary[key]["accuracy"] for summary in summaries]


def bits(args):
    print("| data | split | model | bits | subset | plain | masked | loss, worst | KiB up a member and round |")
    print("|---|---|---|--:|--:|--:|--:|--:|--:|")
    sets = [
        ("digits", '"iid"', '"softmax"', 12),
        ("digits", '"by-label"', '"softmax"', 12),
        ("digits", "{ dirichlet = 0.3 }", '"softmax"', 12),
        ("digits", "{ dirichlet = 0.3 }", "{ mlp = 32 }", 12),
        ("cancer", '"hospitals"', '"softmax"', 5),
        ("cancer", "{ dirichlet = 0.3 }", '"softmax"', 5),
    ]
    for source, split, model, members in sets:
        for precision, subset in [(16, 1.0), (12, 1.0), (8, 1.0), (6, 1.0), (4, 1.0), (8, 0.25)]:
            found = runs(args, f"""members = {members}
rounds = 20
model = {model}
[data]
source = "{source}"
split = {split}
[algorithm]
name = "fedavg"
[evaluation]
on = "public"
[encoding]
bits = {precision}
subset = {subset}
""")
            plain, masked = accuracy(found, "plain"), accuracy(found, "last")
            worst = max(a - b for a, b in zip(plain, masked))
            sent = mean(s["upload_bytes"] / s["rounds"] / 1024 for s in found)
            name = model.strip('"').replace("{ mlp = 32 }", "perceptron, 32")
            print(f"| {source} | {split.strip(chr(34))} | {name} | {precision} | {subset:g} | {mean(plain):.3f} | {mean(masked):.3f}"
                  f" | {100 * worst:+.2f} | {sent:.2f} |")


def privacy(args):
    print("| data | algorithm, unit | members | mechanism | epsilon, delta | without noise | trusted server | Veilsum | price |")
    print("|---|---|--:|---|---|--:|--:|--:|--:|")
    sets = [
        ("digits", "dp-sgd", "example", 12, "clip = 1.0", "skellam", 1e-5),
        ("digits", "dp-sgd", "example", 12, "clip = 1.0", "gaussian", 1e-5),
        ("cancer", "dp-sgd", "example", 5, "clip = 1.0", "skellam", 1e-5),
        ("digits", "dp-fedavg", "member", 60, "clip = 1.0", "skellam", 1e-3),
        ("digits", "dp-fedavg", "member", 60, "clip = 1.0\nadaptive_quantile = 0.5", "skellam", 1e-3),
    ]
    for source, name, unit, members, more, mechanism, delta in sets:
        split = '"hospitals"' if source == "cancer" else '"iid"'
        for epsilon in [8, 4, 1]:
            found = runs(args, f"""members = {members}
rounds = 20
[data]
source = "{source}"
split = {split}
[algorithm]
name = "{name}"
{more}
[local]
weighted = false
epochs = 5
rate = 0.3
[evaluation]
on = "public"
[privacy]
epsilon = {epsilon}.0
delta = {delta}
mechanism = "{mechanism}"
""")
            for summary in found:
                total = summary["privacy"]["epsilon_total"]
                assert total <= epsilon, f"spent {total} of {epsilon}"
                assert summary["privacy"]["unit"] == unit
            plain, central, ours = (mean(accuracy(found, key)) for key in ["plain", "central", "last"])
            label = f"{name}{', adaptive clip' if 'adaptive' in more else ''}, {unit}"
            print(f"| {source} | {label} | {members} | {mechanism} | {epsilon}, {delta:g} | {plain:.3f} | {central:.3f} | {ours:.3f}"
                  f" | {100 * (central - ours):+.1f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--veilsum", default="veilsum", help="the program")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    print("## Bits, subsets, bytes\n")
    bits(args)
    print("\n## Privacy\n")
    privacy(args)
    print(file=sys.stderr)


if __name__ == "__main__":
    main()
