"""Makes the golden values again and holds them against the files that the Rust tests read.

Fails on any draw, key or name that differs, and on any epsilon that is further off than one part in 10^9 (libraries of
other machines round differently).
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEARLY = 1e-9


def differences(found, wanted, where=""):
    if isinstance(found, dict) and isinstance(wanted, dict) and found.keys() == wanted.keys():
        for key in found:
            yield from differences(found[key], wanted[key], f"{where}.{key}")
    elif isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for index, pair in enumerate(zip(found, wanted)):
            yield from differences(*pair, f"{where}[{index}]")
    elif isinstance(found, float) and isinstance(wanted, float):
        if abs(found - wanted) > NEARLY * max(abs(found), abs(wanted)):
            yield f"{where}: found {found}, wanted {wanted}"
    elif found != wanted:
        yield f"{where}: found {found}, wanted {wanted}"


def main():
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        programs = Path(folder) / "python"
        programs.mkdir()
        (Path(folder) / "data").mkdir()
        for program, data in [("noise_vectors.py", "noise.json"), ("accountant_vectors.py", "accountant.json")]:
            shutil.copy(HERE / program, programs)
            subprocess.run([sys.executable, programs / program], check=True, stdout=subprocess.DEVNULL)
            found = json.loads((Path(folder) / "data" / data).read_text())
            wanted = json.loads((HERE.parent / "data" / data).read_text())
            here = list(differences(found, wanted, data))
            print(f"{data}: {'as committed' if not here else f'{len(here)} differences'}")
            wrong += here
    for line in wrong[:20]:
        print(line)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
