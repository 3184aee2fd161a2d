"""Steps of training that are recorded once and then replayed as CUDA graphs: kernel by kernel, without Python between.

A small model's step is hundreds of kernels of a few microseconds; queueing each takes longer than computing it.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

NUM_WARM_UPS = 3  # calls before a recording: libraries and optimisers get what they need at their first ones
MAX_RECORDINGS = 4
MAX_COUNTED = 64  # cases: where there are more, as in joint steps of many kinds, hardly any comes again

Compute = Callable[[Sequence[Tensor]], Tensor]
Record = Callable[[Compute, Sequence[Tensor]], Compute]


class Replay:
    """Computes as `compute` does, by a recording where a key and the shapes of the inputs come again and again.

    `compute` takes a key and inputs, all on one device; for one key it queues the same kernels each time, and waits
    for none. Nothing is computed twice: the calls before a recording are steps like all others.
    """

    def __init__(self, compute: Callable[..., Tensor], record: Record) -> None:
        self.compute = compute
        self.record = record
        self.is_possible = True
        self.forget()

    def forget(self) -> None:
        """Drop what was recorded, and its memory: the numbers that it computes with have moved."""
        self.num_calls: Counter[Hashable] = Counter()
        self.recordings: dict[Hashable, Compute] = {}

    def __call__(self, key: Hashable, *inputs: Tensor) -> Tensor:
        case = (key, *(tensor.shape for tensor in inputs))
        if case not in self.recordings and self._is_due(case):
            self._try_to_record(case, key, inputs)
        if case in self.recordings:
            return self.recordings[case](inputs)
        return self.compute(key, *inputs)

    def _is_due(self, case: Hashable) -> bool:
        if case not in self.num_calls and len(self.num_calls) == MAX_COUNTED:
            return False
        self.num_calls[case] += 1
        return self.is_possible and self.num_calls[case] > NUM_WARM_UPS and len(self.recordings) < MAX_RECORDINGS

    def _try_to_record(self, case: Hashable, key: Hashable, inputs: Sequence[Tensor]) -> None:
        """Where something in a step cannot be recorded, it is computed as before."""
        try:
            self.recordings[case] = self.record(lambda recorded: self.compute(key, *recorded), inputs)
        except RuntimeError as error:
            self.is_possible = False
            warnings.warn(f"steps are not recorded as CUDA graphs, which makes them slower: {error}", stacklevel=2)


class CudaGraphs:
    """Records CUDA graphs, all with one pool of memory: only one is replayed at a time, and what it gives is copied.

    `generators`: where random numbers come from while they are recorded, and in each replay.
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self.generators = generators
        self.pool = torch.cuda.graph_pool_handle()

    def record(self, compute: Compute, inputs: Sequence[Tensor]) -> Compute:
        own_inputs = [tensor.clone() for tensor in inputs]
        graph = torch.cuda.CUDAGraph()
        for generator in self.generators:
            graph.register_generator_state(generator)
        before = torch.cuda.current_stream(own_inputs[0].device)
        with torch.cuda.stream(before), torch.cuda.graph(graph, pool=self.pool):  # one that fails leaves its own stream
            output = compute(own_inputs)

        def replay(inputs: Sequence[Tensor]) -> Tensor:
            for own, given in zip(own_inputs, inputs, strict=True):
                own.copy_(given)
            graph.replay()
            return output.clone()

        return replay
