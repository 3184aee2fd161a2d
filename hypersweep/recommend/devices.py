"""What the devices that models are trained on ask of the code."""

from __future__ import annotations

import torch


def is_host(device: torch.device) -> bool:
    """Whether numbers there can be looked at at once. Elsewhere the work is queued, and to look at a number is to wait
    for all of it: within an epoch nothing may, so that shapes cannot depend on numbers there, nor decisions."""
    return device.type == "cpu"


def make_generator(device: torch.device, *, is_compiled: bool) -> torch.Generator | None:
    """Where a training has its random numbers from on another device than the host's, seeded by the host's; None there.

    What torch compiles draws from the device's own generator and no other.
    """
    if is_host(device):
        return None
    if is_compiled and device.type == "cuda":
        generator: torch.Generator = torch.cuda.default_generators[device.index or torch.cuda.current_device()]
    else:
        generator = torch.Generator(device)
    return generator.manual_seed(int(torch.randint(2**62, ())))
