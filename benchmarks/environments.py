"""The peers' environments: made at their first use, each in a folder of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".venv-bench"

# Steps of `pip install`. RecBole pins what it needs so tightly that it is installed without its dependencies.
STEPS = {
    "optuna": [["optuna==5.0.0"]],
    "ray": [["ray[tune]==2.60.0"]],
    "recbole": [
        [
            *("torch==2.13.0", "numpy<2", "scipy<1.14", "pandas<2.3", "colorlog==4.7.2", "colorama==0.4.4"),
            *("scikit-learn", "pyyaml", "tensorboard", "tabulate", "plotly", "texttable", "psutil", "thop"),
            *("hyperopt==0.2.5", "setuptools<80", "tqdm", "ray==2.6.3"),
        ],
        ["--no-deps", "recbole==1.2.1"],
    ],
}


def find_python(peer: str) -> Path:
    """The interpreter that has the peer; installs it at the first call."""
    folder = FOLDER / peer
    python, stamp = folder / "bin" / "python", folder / ".installed"
    if not stamp.exists():
        print(f"installing {peer} …", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        for step in STEPS[peer]:
            subprocess.run([python, "-m", "pip", "install", "-q", *step], check=True)
        stamp.touch()
    return python
