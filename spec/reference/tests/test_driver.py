"""Programs that know each other by their frames alone come to the sum of the vector."""

from __future__ import annotations

import unittest

from reference import driver, vectoring


class CrossRun(unittest.TestCase):
    def test_model_against_model(self) -> None:
        for name in ("nobody-drops-out", "secrets-of-silent-survivors-are-rebuilt-from-shares"):
            self.assertEqual(0, driver.cross_run([str(vectoring.FOLDER / "rounds" / f"{name}.json"), "1"]))


if __name__ == "__main__":
    unittest.main()
