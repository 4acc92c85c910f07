"""What a member's ledger knows an answer by, and what a job with privacy trained: digests of what was asked."""

from __future__ import annotations

from collections.abc import Iterator

from .. import questions
from . import Case, Fact, Fields, Type, fill, unhex


def question(i: Fields) -> Fields:
    bounds = [tuple(pair) for pair in i["bounds"]]
    threshold = questions.first_threshold(*bounds[0]) if i["kind"] == "quantile" else None
    return {"asked": questions.asked(i["kind"], i["columns"], bounds, i["edges"], threshold).hex()}


def trained(i: Fields) -> Fields:
    return {"asked": questions.trained(unhex(i["task"]), i["round"], unhex(i["model"])).hex()}


def judged(i: Fields) -> Fields:
    return {"asked": questions.judged(unhex(i["modelDigest"])).hex()}


TYPES = {"Question": Type("question", question), "Trained": Type("question", trained), "Judged": Type("question", judged)}

QUANTILE = {"kind": "quantile", "columns": ["age"], "bounds": [[0.0, 128.0]], "quantile": 0.5, "steps": 16}
MEAN = {"kind": "mean", "columns": ["age", "b"], "bounds": [[0.0, 120.0], [-1.0, 1.0]]}


def facts() -> Iterator[Fact]:
    def ask(what: str, base: Fields, **more: object) -> Case:
        plain = {"rows": 100, "bits": None, "shrink": None, "bounds": [], "edges": [], "quantile": None, "steps": None}
        return Case(what, {**plain, **base, **more})

    yield Fact(
        "questions",
        "an-answer-is-known-by-what-was-asked",
        "Question",
        "The first question of a query. What gives the same numbers of every table has one digest, whatever else differs.",
        "member.md 4.1 [answer.asked]",
        [
            ask("a mean of two columns", MEAN),
            ask("other rows: the same", MEAN, rows=101),
            ask("other bits: the same", MEAN, bits=15),
            ask("another shrink: the same", MEAN, shrink=2),
            ask("a bound of -0: the same", MEAN, bounds=[[-0.0, 120.0], [-1.0, 1.0]]),
            ask("columns the other way round: the same", MEAN, columns=["b", "age"], bounds=[[-1.0, 1.0], [0.0, 120.0]]),
            ask("the bounds of the one are those of the other", MEAN, bounds=[[-1.0, 1.0], [0.0, 120.0]]),
            ask("another bound", MEAN, bounds=[[0.0, 121.0], [-1.0, 1.0]]),
            ask("another column", MEAN, columns=["height", "b"]),
            ask("a name that is not ASCII", MEAN, columns=["Größe", "b"]),
            ask("the sum", MEAN, kind="sum"),
            ask("the variance", MEAN, kind="variance"),
            ask("a count of rows", {"kind": "count", "columns": []}),
            ask("a count over a column", {"kind": "count", "columns": ["age"]}),
            ask("a histogram", {"kind": "histogram", "columns": ["age"], "edges": [40.0, 60.0]}),
            ask("an edge less", {"kind": "histogram", "columns": ["age"], "edges": [40.0]}),
            ask("an edge of -0", {"kind": "histogram", "columns": ["age"], "edges": [-0.0]}),
            ask("an edge of 0: the same", {"kind": "histogram", "columns": ["age"], "edges": [0.0]}),
            ask("the first threshold of a median", QUANTILE),
            ask("another quantile with that threshold: the same", QUANTILE, quantile=0.9),
            ask("other bounds with that threshold: the same", QUANTILE, bounds=[[32.0, 96.0]], steps=3),
            ask("another threshold", QUANTILE, bounds=[[0.0, 80.0]]),
        ],
    )

    def train(what: str, task: int, number: int, model: bytes) -> Case:
        return Case(what, {"task": fill(task).hex(), "round": number, "model": model.hex()})

    yield Fact(
        "questions",
        "what-a-job-with-privacy-trained-is-known-by-task-round-and-model",
        "Trained",
        "Nothing of the update is in it: two updates of one member may have equal values.",
        "learning.md 8 [job.asked]",
        [
            train("a round", 1, 7, b"model"),
            train("another task", 2, 7, b"model"),
            train("another round", 1, 8, b"model"),
            train("a late round", 1, (1 << 32) + 7, b"model"),
            train("another model", 1, 7, b"Model"),
            train("a model of no bytes", 1, 7, b""),
        ],
    )

    yield Fact(
        "questions",
        "a-judged-model-is-known-by-its-values",
        "Judged",
        "Of the model its digest, in which its version is not: the same values are judged once, whatever their number.",
        "learning.md 8 [job.evaluation.once]",
        [Case("a model", {"modelDigest": fill(1).hex()}), Case("another model", {"modelDigest": fill(2).hex()})],
    )
