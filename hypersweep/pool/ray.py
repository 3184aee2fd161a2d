"""Trials on the machines of a Ray cluster: a pool `local` on each of them, and room for them found by Ray.

For each trial that runs at once Ray holds room on some machine, its CPUs and GPUs: a slot. On each machine with a slot
a `Host` runs the trials of all its slots, so that the runner is imported and its data prepared once there. Ray starts
nothing again by itself: what is lost is told as interrupted, and the loop submits it again.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ray

from hypersweep.errors import PoolError
from hypersweep.pool.demand import Node, check_room, choose_demand
from hypersweep.pool.devices import VISIBLE, Device
from hypersweep.pool.folders import Written, open_folders
from hypersweep.pool.host import Assignment
from hypersweep.pool.local import refuse_function
from hypersweep.pool.protocol import Description, Ended, PoolEvent, Reported, Work
from hypersweep.pool.ray_cluster import ask_gpus, connect, disconnect, find_nodes, find_reserved, release, reserve
from hypersweep.pool.ray_hosts import CLOSE_GRACE_S, Hosts, Lost, say
from hypersweep.pool.ray_own import OwnCluster
from hypersweep.pool.resources import Resources
from hypersweep.pool.shipping import pack, stage_code
from hypersweep.trial import Failed, Interrupted, Outcome, Trial

LOOK_INTERVAL_S = 2.0  # how soon a machine that has come or gone is noticed
PLACING_INTERVAL_S = 0.02  # how soon room that was found is noticed, at the earliest
IDLE_S = 5.0  # after which a slot's room is given back to the cluster
PATIENCE_S = 300.0  # with a cluster that has no machine for a trial any more
TRAVEL_S = 30.0  # for what stopped trials have yet to tell
MAX_LOSSES = 3  # of a trial's place, on machines that are still there
INHERITED = ("HYPERSWEEP_DATA", "HYPERSWEEP_CACHE")


@dataclass(eq=False)
class Slot:
    """Room for one batch at a time; on which node and device is known once Ray has found it."""

    reservation: Any
    unended: dict[int, Trial] = field(default_factory=dict)
    is_begun: bool = False
    node: Node | None = None
    gpus: Any = None  # the reference to their numbers
    device: Device | None = None
    idle_since: float = 0.0


class RayPool:
    """`num_slots` follows the machines that come and go, unless a number of workers was asked for: then what there is
    no room for yet waits in the cluster, which may grow for it."""

    def __init__(self, work: Work, resources: Resources) -> None:
        refuse_function(work)
        self.workers = resources.workers
        self.demand = choose_demand(work.threads, resources)
        self.slots: list[Slot] = []
        self.slot_of: dict[int, Slot] = {}
        self.losses: dict[int, list[str]] = {}  # of trials, on which nodes
        self.own: OwnCluster | None = None
        self.is_connected = self.is_closed = False
        self.room_seen_at = time.monotonic()
        self.next_look_at = self.next_placing_at = 0.0
        address = resources.ray_address or os.environ.get("RAY_ADDRESS") or "local"
        self.folders = open_folders(work.place, resources.shared, is_local=address == "local")
        try:
            self._join(work, address)
            self._look_for_room()
            check_room(self.nodes, self.demand, resources)
        except BaseException:
            self.close()
            raise

    def _join(self, work: Work, address: str) -> None:
        """Connect, with the code that the hosts need."""
        is_own = address == "local"
        with tempfile.TemporaryDirectory(prefix="hypersweep-") as staged:
            reference = work.reference if is_own else stage_code(work.reference, Path(staged))
            assignment = Assignment(
                work=replace(work, reference=reference, place=self.folders.remote or work.place),
                is_shipped=bool(os.listdir(staged)),
                is_seen=self.folders.remote is not None,
                marker=self.folders.marker,
                environment={name: os.environ[name] for name in INHERITED if name in os.environ},
            )
            self.hosts = Hosts(assignment, pack(Path(staged)))
        if is_own:
            self.own = OwnCluster(max(os.cpu_count() or 1, self.demand.cpus * (self.workers or 1)))
            address = self.own.address
        connect(address)
        self.is_connected = True

    def describe(self) -> Description:
        return self.hosts.describe([node for node in self.nodes if self.demand.count_room(node)])

    def prepare(self) -> Path | None:
        return self.hosts.prepare()

    def submit(self, batch: Sequence[Trial]) -> None:
        self.folders.prepare()
        slot = next((slot for slot in self.slots if not slot.unended), None)
        if slot is None:
            slot = Slot(reserve(self.demand))
            self.slots.append(slot)
        slot.unended = {trial.number: trial for trial in batch}
        self.slot_of.update(dict.fromkeys(slot.unended, slot))
        if slot.node is not None:
            self._hand_out(slot)

    def listen(self, on_report: Callable[[Reported], None]) -> None:
        """The trials do not run here."""

    def prune(self, number: int) -> None:
        slot = self.slot_of.get(number)
        if slot is not None and slot.is_begun and slot.node is not None:
            self.hosts.find(slot.node).ask("prune", number)

    def wait(self, timeout_s: float) -> list[PoolEvent]:
        deadline = time.monotonic() + timeout_s
        while True:
            if time.monotonic() >= self.next_look_at:
                self._look_for_room()
            waiting = [slot for slot in self.slots if slot.unended and not slot.is_begun]
            if waiting and time.monotonic() >= self.next_placing_at:
                self._place(waiting)
            until = min(deadline, self.next_placing_at) if waiting else deadline
            events = self._receive(max(0.0, until - time.monotonic()))
            if events or time.monotonic() >= deadline:
                return events

    def interrupt(self) -> None:
        """The user's code does not run here."""

    def stop(self, grace_s: float) -> list[PoolEvent]:
        waiting = [number for number, slot in self.slot_of.items() if not slot.is_begun]
        events: list[PoolEvent] = [self._end(number, Interrupted()) for number in waiting]
        for link in self.hosts.links.values():
            link.ask("stop", grace_s)
        deadline = time.monotonic() + grace_s + CLOSE_GRACE_S + TRAVEL_S
        while self.slot_of and (left := deadline - time.monotonic()) > 0:
            events += self._receive(left)
        events += [self._end(number, Interrupted()) for number in list(self.slot_of)]
        self.close()
        return events

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        if self.is_connected:
            self.hosts.close()
            disconnect()  # at which the room is given back
        if self.own is not None:
            self.own.close()
        self.folders.close()

    def _look_for_room(self) -> None:
        """See which machines there are, and give back the room that is not needed."""
        now = time.monotonic()
        self.next_look_at = now + LOOK_INTERVAL_S
        self.nodes = find_nodes()
        room = sum(map(self.demand.count_room, self.nodes))
        self.num_slots = self.workers or room
        if room:
            self.room_seen_at = now
        elif now > self.room_seen_at + PATIENCE_S:
            raise PoolError(
                f"pool ray: no machine with room for a trial since {PATIENCE_S:.0f} s; expected one with "
                f"{self.demand}. Add one, then: hypersweep resume"
            )
        for slot in [slot for slot in self.slots if not slot.unended and now > slot.idle_since + IDLE_S]:
            self._drop(slot)

    def _drop(self, slot: Slot) -> None:
        release(slot.reservation)
        self.slots.remove(slot)

    def _place(self, waiting: Sequence[Slot]) -> None:
        began_at = time.monotonic()
        for slot in waiting:
            if slot.node is None:
                node_id = find_reserved(slot.reservation)
                slot.node = next((node for node in self.nodes if node.id == node_id), None)
            if slot.node is not None:  # a new machine is seen at the next look
                self._hand_out(slot)
        now = time.monotonic()
        self.next_placing_at = now + max(PLACING_INTERVAL_S, 10 * (now - began_at))

    def _hand_out(self, slot: Slot) -> None:
        """Give a slot's batch to its host, if that is ready."""
        assert slot.node is not None
        link = self.hosts.find(slot.node)
        if slot.device is None:
            slot.device = self._find_device(slot, slot.node)
        if slot.device is not None and link.is_ready:
            checkpoints = {number: self.folders.read_checkpoint(number) for number in slot.unended}
            link.ask("submit", list(slot.unended.values()), slot.device, checkpoints)
            slot.is_begun = True

    def _find_device(self, slot: Slot, node: Node) -> Device | None:
        """The slot's GPUs, by the numbers that Ray has for them; None as long as it has not told."""
        if not self.demand.gpus:
            return Device("cpu", f"node {node.name}", {VISIBLE: ""})
        if slot.gpus is None:
            slot.gpus = ask_gpus(slot.reservation, self.demand)
        if not ray.wait([slot.gpus], timeout=0)[0]:
            return None
        try:
            numbers = ray.get(slot.gpus)
        except ray.exceptions.RayError:  # the machine is gone
            self._renew(slot)
            return None
        return Device("cuda:0", f"node {node.name}, GPU {numbers}", {VISIBLE: numbers})

    def _receive(self, timeout_s: float) -> list[PoolEvent]:
        asked = [slot.gpus for slot in self.slots if slot.gpus is not None and slot.device is None]
        if not asked and not self.hosts.links:
            time.sleep(timeout_s)
            return []
        events: list[PoolEvent] = []
        for told in self.hosts.receive(asked, timeout_s):
            if isinstance(told, Lost):
                events += self._tell_lost(told)
            elif isinstance(told, Written):
                self.folders.write(told)
            else:
                events.append(self._end(told.number, told.outcome) if isinstance(told, Ended) else told)
        return events

    def _end(self, number: int, outcome: Outcome) -> Ended:
        slot = self.slot_of.pop(number)
        del slot.unended[number]
        if not slot.unended:
            slot.is_begun, slot.idle_since = False, time.monotonic()
        return Ended(number, self.folders.judge(number, outcome))

    def _tell_lost(self, lost: Lost) -> Iterator[Ended]:
        """End what ran on a host that is gone; what was only meant to goes elsewhere."""
        self._look_for_room()
        slots = [slot for slot in self.slots if slot.node is not None and slot.node.id == lost.node.id]
        running = [f"trial {number}" for slot in slots if slot.is_begun for number in slot.unended]
        say(f"{lost.why}; on it ran {', '.join(running) or 'no trial'}")
        for slot in slots:
            for number in list(slot.unended) if slot.is_begun else []:
                yield self._end(number, self._judge_loss(number, lost))
            if slot.unended:
                self._renew(slot)
            else:
                self._drop(slot)

    def _judge_loss(self, number: int, lost: Lost) -> Outcome:
        self.losses.setdefault(number, []).append(lost.node.id)
        alive = {node.id for node in self.nodes}
        if sum(node_id in alive for node_id in self.losses[number]) >= MAX_LOSSES:
            return Failed(f"{lost.why}, {MAX_LOSSES} times with this trial on it")
        whence = "its last checkpoint, if it wrote any" if self.folders.remote else "its beginning: --shared is not set"
        self.folders.note(number, f"{lost.why}; the trial is run again, from {whence}")
        return Interrupted()

    def _renew(self, slot: Slot) -> None:
        """Look for room anew."""
        release(slot.reservation)
        slot.reservation, slot.node, slot.gpus, slot.device = reserve(self.demand), None, None, None
