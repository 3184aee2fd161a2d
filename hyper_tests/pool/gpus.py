"""GPUs as a program tells of them: an nvidia-smi of the tests' making."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

A100 = "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)"
H100 = "GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-c9d2a1f0-1111-2222-3333-444444444444)"
MIG = (
    "  MIG 1g.10gb     Device  0: (UUID: MIG-11111111-aaaa)",
    "  MIG 1g.10gb     Device  1: (UUID: MIG-22222222-bbbb)",
)


def install_gpus(folder: Path, *lines: str, script: str = "") -> dict[str, str]:
    """An environment in which `nvidia-smi -L` prints these lines, or does what the script says."""
    folder.mkdir()
    program = folder / "nvidia-smi"
    printing = shlex.join(["printf", "%s\\n", *lines])
    script = script or f'[ "$*" = -L ] || exit 2\n{printing}'
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}
