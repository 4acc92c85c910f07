#!/usr/bin/env python3
"""Measures what grows how: rounds of `veilsum simulate` over members, coordinates, drop-out and graph.

    python3 benches/grid.py run [--veilsum PROGRAM] [--only NAME] >> benches/grid.jsonl
    python3 benches/grid.py table benches/grid.jsonl          the table of RESULTS.md
    python3 benches/grid.py plot benches/grid.jsonl           benches/growth.svg; needs matplotlib

Inputs have 16 bits, parameters are derived for a tenth of corrupt members and for the drop-out. Times are of the processor, so
that other programs on the machine change them little; the load is written beside each row all the same. The whole grid
takes about half an hour of two cores and 6 GiB.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

FIELD = [(n, 100_000, dropout, graph) for n in (500, 1_000) for graph in ("auto", "complete") for dropout in (0.0, 0.1, 0.3)]
MEMBERS = [(n, 100_000, 0.1, "auto") for n in (10, 30, 100, 300)] + [(10_000, 10_000, 0.1, "auto")]
COORDINATES = [(100, d, 0.1, "auto") for d in (10_000, 1_000_000, 10_000_000)] + [
    (10, 1_000_000, 0.1, "auto"),
    (10, 10_000_000, 0.1, "auto"),
    (1_000, 1_000_000, 0.1, "auto"),
    (1_024, 1 << 20, 0.0, "auto"),
]
GRIDS = {"field": FIELD, "members": MEMBERS, "coordinates": COORDINATES}


def measure(program, members, dim, dropout, graph):
    command = [program, "simulate", "--members", members, "--dim", dim, "--dropout", dropout, "--graph", graph, "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    row = json.loads(done.stdout)
    assert row["exact"] is True, row
    # The kernel keeps the largest child alone: known only for a row that is larger than all before it.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    kept = {key: row[key] for key in KEPT} | {"dropout": dropout, "graph": "complete" if row["degree"] == members - 1 else "derived"}
    return kept | {"process_peak_kib": peak if peak > before else None, "load": round(os.getloadavg()[0], 1)}


KEPT = [
    "members", "dim", "bits", "lane_bits", "degree", "threshold", "survivors", "member_cpu_ms", "coordinator_cpu_s",
    "member_upload_bytes", "member_download_bytes", "expansion", "coordinator_peak_bytes", "wall_s",
]  # fmt: skip


def run(args):
    for name, cells in GRIDS.items():
        for cell in cells if args.only in (None, name) else []:
            print(f"{name}: {cell}", file=sys.stderr, flush=True)
            print(json.dumps(measure(args.veilsum, *cell)), flush=True)


def rows(path):
    """The last row of each cell, so that a cell can be measured again by appending."""
    cells = {}
    for line in Path(path).read_text().splitlines():
        row = json.loads(line)
        cells[(row["dim"], row["members"], row["graph"], row["dropout"])] = row
    return [cells[key] for key in sorted(cells)]


def kilo(count):
    return f"{count / 1000:.0f}k"


def table(args):
    print("| n | d | drop-out | graph, k | member rest ms | upload ms | advertise s | share s | upload s | confirm s | reveal s"
          " | all s | up B | down B | coordinator MiB | load |")  # fmt: skip
    print("|--:|--:|--:|---|" + "--:|" * 12)
    for row in rows(args.rows):
        member, server = row["member_cpu_ms"], row["coordinator_cpu_s"]
        phases = " | ".join(f"{server[phase]:.2f}" for phase in ("advertise", "share", "upload", "confirm", "reveal", "total"))
        print(f"| {row['members']} | {row['dim']} | {100 * row['dropout']:.0f} % | {row['graph']} {row['degree']}"
              f" | {member['total'] - member['upload']:.1f} | {member['upload']:.1f} | {phases}"
              f" | {kilo(row['member_upload_bytes'])} | {kilo(row['member_download_bytes'])}"
              f" | {row['coordinator_peak_bytes'] / 2**20:.0f} | {row['load']} |")  # fmt: skip


def plot(args):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "veilsum", "font.size": 9, "axes.grid": True, "grid.alpha": 0.3})
    from matplotlib import pyplot

    found = rows(args.rows)

    def line(axes, what, x, y, label, marker):
        points = sorted((x(row), y(row)) for row in found if what(row))
        axes.plot(*zip(*points), marker=marker, label=label)

    def with_graph(graph, dim=100_000, dropout=0.1):
        return lambda row: (row["graph"], row["dim"], row["dropout"]) == (graph, dim, dropout)

    def members_of(row):
        return row["members"]

    def derived_or_small(row):
        return row["dim"] == 100_000 and row["dropout"] == 0.1 and (row["graph"] == "derived" or row["members"] <= 100)

    figure, ((member, server), (upload, gone)) = pyplot.subplots(2, 2, figsize=(10, 7), layout="constrained")
    for axes, cost in ((member, lambda row: row["member_cpu_ms"]["total"]), (server, lambda row: row["coordinator_cpu_s"]["total"])):
        line(axes, derived_or_small, members_of, cost, "derived graph", "o")
        line(axes, with_graph("complete"), members_of, cost, "complete graph", "s")
        axes.set(xscale="log", yscale="log", xlabel="members, d = 100 000, a tenth drops out")
    member.set(title="A member", ylabel="processor ms")
    server.set(title="The coordinator", ylabel="processor s")

    def of(members):
        return lambda row: row["members"] == members and row["dropout"] == 0.1 and row["dim"] >= 10_000

    for members, marker in ((10, "o"), (100, "s"), (1_000, "^")):
        line(upload, of(members), lambda row: row["dim"], lambda row: row["member_cpu_ms"]["upload"], f"{members} members", marker)
    upload.set(xscale="log", yscale="log", title="A member's upload: quantise, pack, mask", xlabel="coordinates", ylabel="processor ms")

    for members, graph, marker in ((500, "derived", "o"), (1_000, "derived", "s"), (500, "complete", "^"), (1_000, "complete", "v")):
        line(gone, lambda row: (row["members"], row["dim"], row["graph"]) == (members, 100_000, graph),
             lambda row: 100 * row["dropout"], lambda row: row["coordinator_cpu_s"]["total"], f"{members}, {graph}", marker)  # fmt: skip
    gone.set(title="The coordinator by drop-out, d = 100 000", xlabel="members gone in Upload, %", ylabel="processor s")
    for axes in (member, server, upload, gone):
        axes.legend(fontsize=8)
    figure.savefig(args.out, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(required=True)
    one = tasks.add_parser("run", help="measure, one JSON line a cell")
    one.add_argument("--veilsum", default="target/release/veilsum", help="the program (default: %(default)s)")
    one.add_argument("--only", choices=GRIDS, help="one part of the grid")
    one.set_defaults(do=run)
    two = tasks.add_parser("table", help="print the table")
    two.add_argument("rows")
    two.set_defaults(do=table)
    three = tasks.add_parser("plot", help="draw the plots")
    three.add_argument("rows")
    three.add_argument("--out", default="benches/growth.svg", help="default: %(default)s")
    three.set_defaults(do=plot)
    args = parser.parse_args()
    args.do(args)


if __name__ == "__main__":
    main()
