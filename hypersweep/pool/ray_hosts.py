"""The hosts of pool `ray`: one for each machine of the cluster that runs trials, started when it is needed first."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from hypersweep.errors import PoolError
from hypersweep.pool.demand import Node
from hypersweep.pool.folders import Written
from hypersweep.pool.host import Assignment, Printed, Problem
from hypersweep.pool.protocol import Description, PoolEvent
from hypersweep.pool.ray_cluster import find_nodes, start_host
from hypersweep.runner.memory import OUT_OF_MEMORY

NEWS_WAIT_S = 10.0  # a host with nothing to tell is asked again
CLOSE_GRACE_S = 3.0
MAX_FAILED_STARTS = 3  # one after another


@dataclass(eq=False)
class Link:
    """A host, and the references to what it was asked: `answer` until it is ready for trials, then `news`."""

    node: Node
    actor: Any
    answer: Any = None
    news: Any = None

    def ask(self, method: str, *arguments: Any) -> Any:
        """The reference to the answer of the host."""
        return self.actor.call.remote(method, *arguments)

    @property
    def is_ready(self) -> bool:
        return self.answer is None


@dataclass(frozen=True)
class Lost:
    """The process of a host is gone, with all its trials; `why` in words."""

    node: Node
    why: str


class Hosts:
    """By node. Ray starts none of them again."""

    def __init__(self, assignment: Assignment, parcel: bytes) -> None:
        self.assignment = assignment
        self.parcel = parcel
        self.links: dict[str, Link] = {}
        self.description: Description | None = None
        self.prepared: Path | None = None
        self.is_preparing = False
        self.num_failed_starts = 0

    def describe(self, nodes: Sequence[Node]) -> Description:
        """What the runner declares, as the first host sees it, on the first of the nodes that is really there; raises
        what is wrong with it."""
        lost: Lost | None = None
        for node in nodes:
            lost = self._await_ready(self.find(node))
            if lost is None and self.description is not None:
                return self.description
        raise _unready(lost)

    def prepare(self) -> Path | None:
        """Prepare the data with the first host now, and with each later one before its first trial."""
        self.is_preparing = True
        (link,) = self.links.values()
        link.answer = link.ask("prepare")
        lost = self._await_ready(link)
        if lost is not None:
            raise _unready(lost)
        return self.prepared

    def _await_ready(self, link: Link) -> Lost | None:
        """Until the only host is ready, or lost."""
        while not link.is_ready:
            for told in self.receive([], NEWS_WAIT_S):
                if isinstance(told, Lost):
                    return told
        return None

    def find(self, node: Node) -> Link:
        """The host of the machine, which may not be ready yet."""
        if node.id not in self.links:
            link = self.links[node.id] = Link(node, start_host(node, self.parcel, self.assignment))
            link.answer = link.ask("describe")
        return self.links[node.id]

    def receive(self, others: Sequence[Any], timeout_s: float) -> Iterator[PoolEvent | Written | Lost]:
        """What the hosts tell; waits for that, or for one of the other references, up to `timeout_s`."""
        link_of = {ref: link for link in self.links.values() for ref in (link.answer, link.news) if ref is not None}
        refs = [*link_of, *others]
        ready, _ = ray.wait(refs, timeout=timeout_s)
        if ready:
            ready, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        for ref in ready:
            link = link_of.get(ref)
            if link is not None and self.links.get(link.node.id) is link:  # not lost by its other reference
                yield from self._take(link, ref)

    def _take(self, link: Link, ref: Any) -> Iterator[PoolEvent | Written | Lost]:
        try:
            told = ray.get(ref)
        except ray.exceptions.RayTaskError:  # a mistake of ours
            raise
        except ray.exceptions.RayError as error:
            yield self._lose(link, error)
            return
        if isinstance(told, Problem):
            self._print(link.node, told.printed)
            is_first = len(self.links) == 1
            raise told.error if is_first else type(told.error)(f"node {link.node.name}: {told.error}")
        if ref == link.news:
            self._ask_news(link)
            for news in told:
                if isinstance(news, Printed):
                    self._print(link.node, news.text)
                else:
                    yield news
        else:
            self._take_answer(link, told)

    def _take_answer(self, link: Link, told: Description | Path | None) -> None:
        link.answer = None
        if isinstance(told, Description):
            self.description = told
            if self.is_preparing:
                link.answer = link.ask("prepare")
        else:
            self.prepared = told
        if link.is_ready:
            self.num_failed_starts = 0
            if link.news is None:  # the first host is asked already when it prepares
                self._ask_news(link)

    def _ask_news(self, link: Link) -> None:
        link.news = link.actor.call.options(concurrency_group="waiting").remote("wait", NEWS_WAIT_S)

    def _lose(self, link: Link, error: ray.exceptions.RayError) -> Lost:
        """Make sure that the host is gone; raises `PoolError` if hosts go again and again before they are ready."""
        del self.links[link.node.id]
        is_node_alive = any(node.id == link.node.id for node in find_nodes())  # or not known to be dead yet
        ray.kill(link.actor)
        why = f"{'the worker on ' * is_node_alive}node {link.node.name} was lost"
        if isinstance(error, ray.exceptions.OutOfMemoryError):
            why = f"{OUT_OF_MEMORY}Ray ended the worker on node {link.node.name}"
        if isinstance(error, ray.exceptions.RayActorError) and error.actor_init_failed:
            raise PoolError(
                f"pool ray: the code cannot be set up on node {link.node.name}: {str(error).splitlines()[-1].strip()}; "
                "expected room for temporary files, and what it imports to be installed. See to that, then: "
                "hypersweep resume"
            ) from error
        if not link.is_ready and is_node_alive:
            self.num_failed_starts += 1
            if self.num_failed_starts >= MAX_FAILED_STARTS:
                raise PoolError(
                    f"pool ray: {why} before it was ready for trials, {MAX_FAILED_STARTS} times; expected it to go on. "
                    "See Ray's logs there: /tmp/ray/session_latest/logs"
                ) from error
        return Lost(link.node, why)

    def _print(self, node: Node, text: str) -> None:
        for line in text.splitlines():
            say(f"node {node.name}: {line}")

    def close(self) -> None:
        closing = [link.actor.close.remote() for link in self.links.values()]
        with contextlib.suppress(ray.exceptions.RayError):
            if closing:
                ray.wait(closing, num_returns=len(closing), timeout=CLOSE_GRACE_S)


def say(line: str) -> None:
    """To where the server processes of pool `local` print."""
    if sys.__stderr__ is not None:
        sys.__stderr__.write(f"{line}\n")


def _unready(lost: Lost | None) -> PoolError:
    why = "no machine has room" if lost is None else lost.why
    return PoolError(f"pool ray: {why} while a host got ready for trials; expected one that stays. Try again")
