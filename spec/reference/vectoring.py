"""Writes the vectors and verifies them: files in the shape of Wycheproof, one a fact, in folders by topic."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .facts import Fact, Fields, Type, blocks, exchanges, keys, messages, models, planning, questions, signing, terms, values
from .pages import SPEC
from .refusal import Refused

FOLDER = SPEC / "vectors"
TOPICS = (keys, blocks, signing, messages, planning, terms, values, models, questions, exchanges)
TYPES: dict[str, Type] = {name: made for topic in TOPICS for name, made in topic.TYPES.items()}


def all_facts() -> Iterator[Fact]:
    for topic in TOPICS:
        yield from topic.facts()


def judge(made: Type, given: Fields) -> tuple[Fields | None, str | None]:
    """Outputs, or the requirement that refuses."""
    try:
        return made.compute(given), None
    except Refused as why:
        return None, why.requirement


def shared_fields(fact: Fact) -> Fields:
    """Long fields that are the same in all cases, and the honest steps: written once, in the group."""
    first = fact.cases[0].input
    same = {k: v for k, v in first.items() if len(json.dumps(v)) > 100 and all(case.input.get(k) == v for case in fact.cases)}
    return same | ({"honest": fact.honest} if fact.honest else {})


def folded(given: Fields, input_: Fields) -> Fields:
    """The fields of a case that the group does not have."""
    rest = {key: value for key, value in input_.items() if key not in given}
    if "honest" in given:
        steps, honest = rest["steps"], given["honest"]
        same = 0
        while same < min(len(steps), len(honest)) and steps[same] == honest[same]:
            same += 1
        rest |= {"honestSteps": same, "steps": steps[same:]}
    return rest


def unfolded(given: Fields, rest: Fields) -> Fields:
    """What `folded` took apart."""
    whole = {**given, **rest}
    if "honest" in whole:
        whole["steps"] = whole.pop("honest")[: whole.pop("honestSteps")] + whole["steps"]
    return whole


def content(fact: Fact) -> dict[str, Any]:
    tests: list[dict[str, Any]] = []
    shared = shared_fields(fact)
    for case in fact.cases:
        given = json.loads(json.dumps(case.input))
        output, refused_by = judge(TYPES[fact.type], given)
        if refused_by != case.refused_by:
            raise AssertionError(f"{fact.topic}/{fact.name}: {case.comment}: refused by {refused_by}, the fact says {case.refused_by}")
        test: dict[str, Any] = {"tcId": len(tests) + 1, "comment": case.comment, "flags": [] if refused_by is None else [refused_by]}
        test["input"] = folded(shared, given)
        test["result"] = "valid" if refused_by is None else "invalid"
        if refused_by is None:
            test["output"] = output
        else:
            test |= {"layer": TYPES[fact.type].layer, "requirement": refused_by}
            test |= {"either": list(case.either)} if case.either else {}
        tests.append(test)
    flags = {case.refused_by for case in fact.cases if case.refused_by}
    return {
        "algorithm": "veilsum/1",
        "schema": "../vectors.schema.json",
        "header": [fact.text],
        "source": fact.source,
        "notes": {flag: f"refused by the requirement [{flag}]" for flag in sorted(flags)},
        "numberOfTests": len(tests),
        "testGroups": [{"type": fact.type, "given": shared, "tests": tests}],
    }


def laid_out(made: dict[str, Any]) -> str:
    """JSON with one line a test, so that a changed case is one changed line."""
    group = made["testGroups"][0]
    lines = ",\n".join("    " + json.dumps(test) for test in group["tests"])
    head = json.dumps({key: value for key, value in made.items() if key != "testGroups"}, indent=1)[:-2]
    named = f'"type": {json.dumps(group["type"])},\n   "given": {json.dumps(group["given"])}'
    return f'{head},\n "testGroups": [\n  {{\n   {named},\n   "tests": [\n{lines}\n   ]\n  }}\n ]\n}}\n'


def write(arguments: list[str]) -> int:
    """`write-vectors [TOPIC ...]`: writes every file, or those of some folders; the number of faults."""
    names: Counter[str] = Counter()
    good = bad = 0
    for fact in all_facts():
        if arguments and fact.topic not in arguments:
            continue
        made = content(fact)
        path = FOLDER / fact.topic / f"{fact.name}.json"
        names[str(path)] += 1
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(laid_out(made), encoding="ascii")
        results = [test["result"] for test in made["testGroups"][0]["tests"]]
        good, bad = good + results.count("valid"), bad + results.count("invalid")
    (FOLDER / "vectors.schema.json").write_text(json.dumps(SCHEMA, indent=1) + "\n", encoding="ascii")
    print(f"{len(names)} files, {good} good cases, {bad} bad ones")
    return sum(count > 1 for count in names.values()) + (not names)


def verify(arguments: list[str]) -> int:
    """`verify-vectors [FOLDER]`: walks the folder, `spec/vectors` unless another is given, and computes every case anew; the number that differ."""
    if len(arguments) > 1:
        print("verify-vectors takes one folder", file=sys.stderr)
        return 1
    root = Path(arguments[0]) if arguments else FOLDER
    wrong = cases = files = 0
    for path in sorted(root.rglob("*.json")):
        if path.name == "vectors.schema.json":
            continue
        files += 1
        read = json.loads(path.read_text(encoding="ascii"))
        found = 0
        for group in read["testGroups"]:
            for test in group["tests"]:
                found += 1
                difference = differs(group, test)
                if difference is not None:
                    wrong += 1
                    print(f"{path.relative_to(root)} {test['tcId']} ({test['comment']}): {difference}")
        if found != read["numberOfTests"]:
            wrong += 1
            print(f"{path.relative_to(root)}: {found} tests, {read['numberOfTests']} stated")
        cases += found
    print(f"{files} files, {cases} cases, {wrong} differ")
    return wrong + (files == 0)


def differs(group: Fields, test: Fields) -> str | None:
    """In what a test is not as it is computed. Outputs are compared with their types: 1, 1.0 and true are three values."""
    made = TYPES.get(group["type"])
    if made is None:
        return f"found the unknown type {group['type']!r}"
    output, refused_by = judge(made, unfolded(group["given"], test["input"]))
    if (test["result"] == "valid") != (refused_by is None):
        return f"found {refused_by or 'an output'}, wanted it {test['result']}"
    if refused_by is None:
        same = json.dumps(output, sort_keys=True) == json.dumps(test.get("output"), sort_keys=True)
        bare = not {"layer", "requirement", "either"} & set(test)
        return None if same and bare else f"found {output}"
    if (made.layer, refused_by) != (test.get("layer"), test.get("requirement")) or "output" in test:
        return f"found it refused by {refused_by} in layer {made.layer}, wanted {test.get('requirement')} in {test.get('layer')}"
    return None


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), **more}


_TEXT, _COUNT = {"type": "string"}, {"type": "integer", "minimum": 1}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Vectors of Veilsum",
    "description": "One file a fact. Bytes are lower-case hexadecimal, integers are JSON integers of up to 64 bits, rates are text.",
    **_object(
        {
            "algorithm": {"const": "veilsum/1"},
            "schema": _TEXT,
            "header": {"type": "array", "items": _TEXT},
            "source": {"type": "string", "description": "page, section and requirements"},
            "notes": {"type": "object", "additionalProperties": _TEXT},
            "numberOfTests": _COUNT,
            "testGroups": {"type": "array", "items": {"$ref": "#/$defs/group"}},
        },
        additionalProperties=False,
    ),
    "$defs": {
        "group": _object(
            {
                "type": {"enum": sorted(TYPES)},
                "given": {
                    "type": "object",
                    "description": "fields of the input of every test; a test with honestSteps begins with so many of the steps in honest",
                },
                "tests": {"type": "array", "items": {"$ref": "#/$defs/test"}},
            },
            additionalProperties=False,
        ),
        "test": _object(
            {
                "tcId": _COUNT,
                "comment": _TEXT,
                "flags": {"type": "array", "items": _TEXT},
                "input": {"type": "object"},
                "result": {"enum": ["valid", "invalid"]},
            },
            oneOf=[
                {"properties": {"result": {"const": "valid"}, "output": {"type": "object"}}, "required": ["output"]},
                {
                    "properties": {
                        "result": {"const": "invalid"},
                        "layer": {"enum": sorted({made.layer for made in TYPES.values()})},
                        "requirement": {"type": "string", "description": "id of the requirement that must refuse"},
                        "either": {
                            "type": "array",
                            "items": _TEXT,
                            "description": "ids of requirements that may refuse instead, where the pages leave the order of checks open",
                        },
                    },
                    "required": ["layer", "requirement"],
                },
            ],
        ),
    },
}
