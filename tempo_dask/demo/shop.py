"""A believable shop, as the export requests its collectors would send.

Thirteen services answer customers for a while (an hour, say). Traces differ in shape, depth and size; some fail, some
retry, and what consumes the order queue links back to what filled it. There is a story to find: for some minutes a new
version of `payment` waits for a lock that it should not take, so checkouts turn slow and fail until it is rolled back.

    for body in generate(20_000, end_ns=time.time_ns(), span_of_time_ns=3_600 * 10**9, seed=7):
        post("/v1/traces", body)
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from operator import itemgetter
from random import Random

import numpy as np

from tempo_dask.demo.journeys import JOURNEYS, Journey
from tempo_dask.demo.recorder import Recorder
from tempo_dask.demo.requests import Batch
from tempo_dask.demo.services import BAD_VERSION, BY_NAME, DEPLOYED, SERVICES, Pods, make_pods, redeploy
from tempo_dask.demo.template import Bytes, Filling, Template, make_template

# When the bad version was out, as parts of the whole span of time.
DEPLOYED_AT, ROLLED_BACK_AT = 0.55, 0.72
CUSTOMERS = 4_000
SPREAD = 0.18
BACKLOG = 8
WEIGHTS = tuple(accumulate(journey.weight for journey in JOURNEYS))


def generate(
    spans: int, *, end_ns: int, span_of_time_ns: int, seed: int = 0, spans_per_batch: int = 1_000
) -> Iterator[bytes]:
    """Yield `ExportTraceServiceRequest` bodies with at least `spans` spans, in whole traces, in the order of time.

    The traces start after `end_ns - span_of_time_ns` and end before `end_ns` (nanoseconds since 1970). Some
    `spans_per_batch` spans make a batch, which is sent as one request for each availability zone. The same arguments
    give the same bytes.
    """
    shop = _Shop(seed)
    window = Window(end_ns - span_of_time_ns, end_ns)
    batch = Batch()
    for at, template in shop.visits(spans):
        shop.copy(template, at, window, batch)
        if batch.spans >= spans_per_batch:
            yield from batch.requests()
            batch = Batch()
    yield from batch.requests()


@dataclass(frozen=True, slots=True)
class Window:
    """The time [start_ns, end_ns) that the shop is watched."""

    start_ns: int
    end_ns: int

    def place(self, at: float, length_ns: float) -> int:
        """Return when a trace of this length starts that comes `at` this part of the window."""
        return self.start_ns + int(at * max(0.0, self.end_ns - self.start_ns - length_ns))


class _Shop:
    """The templates and pods of one seed, and the orders that wait to be fulfilled."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)  # noqa: S311 - made up, not secret
        self.seed = seed
        self.templates: dict[tuple[str, int, bool], Template] = {}
        before = make_pods(random)
        during = redeploy(random, before, DEPLOYED, BAD_VERSION)
        after = redeploy(random, before, DEPLOYED, SERVICES[BY_NAME[DEPLOYED]].version)
        self.pods: tuple[Pods, Pods, Pods] = (before, during, after)
        # Orders put on the queue before the window began: the first consumers link to traces from before it.
        self.orders: deque[bytes] = deque((random.randbytes(24) for _ in range(BACKLOG)), maxlen=8 * BACKLOG)

    def visits(self, spans: int) -> Iterator[tuple[float, Template]]:
        """Yield when (as a part of the window) which template happens, in order, for at least this many spans."""
        visits: list[tuple[float, Template]] = []
        while spans > 0:
            at = self._when()
            journey = self.random.choices(JOURNEYS, cum_weights=WEIGHTS)[0]
            template = self._template(journey, self.random.randrange(journey.variants), _is_hurt(journey, at))
            visits.append((at, template))
            spans -= template.spans
        yield from sorted(visits, key=itemgetter(0))

    def copy(self, template: Template, at: float, window: Window, batch: Batch) -> None:
        """Add a copy of a template to a batch, recorded by the pods that were up then."""
        random = self.random
        stretch = random.lognormvariate(0.0, SPREAD)
        trace_id, span_ids = random.randbytes(16), random.randbytes(8 * template.spans)
        filling = Filling(
            trace_id=np.frombuffer(trace_id, np.uint8),
            span_ids=np.frombuffer(span_ids, np.uint8).reshape(-1, 8),
            texts=self._texts(),
            links=self._take_orders(template.links),
            start_ns=window.place(at, template.length_ns * stretch),
            stretch=stretch,
        )
        if template.published is not None:
            self.orders.append(trace_id + span_ids[8 * template.published :][:8])
        pods = self.pods[(at >= DEPLOYED_AT) + (at >= ROLLED_BACK_AT)]
        batch.add(template, template.fill(filling), pods, random.getrandbits(30))

    def _template(self, journey: Journey, variant: int, bad_deploy: bool) -> Template:
        """Return a variant of a journey, made up when it is first asked for and the same for the same seed."""
        key = journey.record.__name__, variant, bad_deploy
        if key not in self.templates:
            recorder = Recorder(Random(f"{self.seed} {key}"), bad_deploy=bad_deploy)  # noqa: S311 - made up, not secret
            journey.record(recorder)
            self.templates[key] = make_template(recorder)
        return self.templates[key]

    def _when(self) -> float:
        """Draw when a visit comes, as a part of the window. Customers come in waves: a draw in a lull may be void."""
        while True:
            at = self.random.random()
            wave = 0.8 + 0.15 * math.sin(2 * math.pi * (1.4 * at + 0.1)) + 0.05 * math.sin(2 * math.pi * 9 * at)
            if self.random.random() < wave:
                return at

    def _take_orders(self, count: int) -> Bytes:
        """Return the (count, 24) oldest orders; the newest stay, so that a consumer comes after its producer."""
        orders = self.orders
        taken = [orders.popleft() if len(orders) > BACKLOG else orders[0] for _ in range(count)]
        return np.frombuffer(b"".join(taken), np.uint8).reshape(count, 24)

    def _texts(self) -> Bytes:
        """Return the (texts, 8) hex digits of a customer, few of whom come often, and of an order."""
        customer = int(CUSTOMERS * self.random.random() ** 3) * 2_654_435_761 & 0xFFFFFFFF
        return np.frombuffer(b"%08x%08x" % (customer, self.random.getrandbits(32)), np.uint8).reshape(-1, 8)


def _is_hurt(journey: Journey, at: float) -> bool:
    return journey.meets_payment and DEPLOYED_AT <= at < ROLLED_BACK_AT
