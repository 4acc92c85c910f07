"""The vectors are what the model computes, and a changed one is noticed."""

from __future__ import annotations

import json
import unittest

from reference import vectoring


class Files(unittest.TestCase):
    def test_every_file_has_a_known_type_and_its_number_of_tests(self) -> None:
        paths = [path for path in vectoring.FOLDER.rglob("*.json") if path.name != "vectors.schema.json"]
        self.assertGreater(len(paths), 90)
        for path in paths:
            read = json.loads(path.read_text(encoding="ascii"))
            self.assertEqual(read["numberOfTests"], sum(len(group["tests"]) for group in read["testGroups"]), path)
            for group in read["testGroups"]:
                self.assertIn(group["type"], vectoring.TYPES)
                for test in group["tests"]:
                    self.assertEqual(test["result"] == "invalid", "requirement" in test, path)
                    self.assertEqual(test["result"] == "valid", "output" in test, path)

    def test_a_changed_output_is_noticed(self) -> None:
        path = vectoring.FOLDER / "session" / "bitmaps-are-exact.json"
        test = json.loads(path.read_text(encoding="ascii"))["testGroups"][0]["tests"][0]
        output, refused_by = vectoring.judge(vectoring.TYPES["Bitmap"], test["input"])
        self.assertEqual((test["output"], None), (output, refused_by))
        self.assertNotEqual(test["output"], vectoring.judge(vectoring.TYPES["Bitmap"], {**test["input"], "bitmap": "0a"})[0])

    def test_folding_takes_nothing_away(self) -> None:
        given = {"roster": "x" * 200, "honest": [{"a": 1}, {"b": 2}]}
        whole = {"roster": "x" * 200, "site": {}, "steps": [{"a": 1}, {"c": 3}]}
        self.assertEqual(whole, vectoring.unfolded(given, vectoring.folded(given, whole)))


if __name__ == "__main__":
    unittest.main()
