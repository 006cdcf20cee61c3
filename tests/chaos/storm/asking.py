"""The clients of a run: rounds and single requests written to the request topic, and comparisons posted to the gateway."""

import contextlib
import random
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from confluent_kafka import KafkaError, Message, Producer

from cli.cancel import request as cancel_request
from settings.settings import Settings
from streams.wire import work
from streams.wire.request_events import round_event, single_event
from tests.chaos.storm.history import Asked, Comparison, Door
from tests.chaos.storm.settings import PARTITIONS
from tests.harness.deployment import Deployment
from tests.harness.gateway import GivenUp, post_as_cj

PROVIDERS = {"anthropic": 0.3, "openai": 0.3, "google": 0.25, "openrouter": 0.15}
MODES = {None: 0.5, "per_request": 0.2, "serial_bundle": 0.2, "provider_batch_api": 0.1}
LARGEST_ROUND = 16
SINGLES = 0.15  # of what is written to the topic is single requests
POSTED = 0.2  # of all comparisons
SENT_AGAIN = 0.03  # of the records are written a second time, byte for byte
CLIENTS = 4
MOST_OPEN = 2_500  # comparisons that have no event yet: more would be a test of the backlog


class Asking:
    """Asks so many comparisons a second until it is stopped."""

    def __init__(self, made: Deployment, ports: list[int], seed: int, rate: float) -> None:
        self.asked = Asked()
        self.batches: deque[str] = deque(maxlen=30)  # the latest, of which one may be cancelled
        self._made, self._ports, self._rate = made, ports, rate
        self._chance = random.Random(f"{seed} asking")
        self._over = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": made.bootstrap,
                "log_level": 0,
                "enable.idempotence": True,
                "partitioner": "murmur2_random",  # as the gateway: a batch of CJ is in one partition, by whichever door
                "message.max.bytes": 4_194_304,
                "delivery.timeout.ms": 240_000,
            }
        )
        self._clients = ThreadPoolExecutor(CLIENTS)
        self._posts: list[Future[None]] = []
        self._threads = ThreadPoolExecutor(2)
        self._running: Future[None] | None = None
        self._counting: Future[None] | None = None
        self.events = 0  # on the result topic, as last counted

    def start(self) -> None:
        self._running = self._threads.submit(self._ask)
        self._counting = self._threads.submit(self._count)

    def halt(self) -> None:
        """Ask no more. What was sent is acknowledged or given up soon."""
        self._over.set()

    def cancel(self, which: float) -> None:
        """Cancel one of the latest batches, as `roundbatch cancel` does: a record for each partition."""
        batches = list(self.batches)
        self._tell(cancel_request(batches[int(which * len(batches))]))

    def limit(self, which: float, much: float) -> None:
        """Do about a provider's model what `roundbatch quality` can do: limit its bundles, lift that, acknowledge its alarm."""
        provider = list(PROVIDERS)[int(which * len(PROVIDERS))]
        model = Settings(kafka_bootstrap_servers=self._made.bootstrap).provider(provider).model
        if much > 0.5:
            self._tell(work.JudgementAcknowledged(provider=provider, model=model, reason="a storm"))
            return
        self._tell(work.BundlesLimited(provider=provider, model=model, most=max(0, round(6 * much + 3)), reason="a storm"))

    def _tell(self, told: work.WorkRecord) -> None:
        """Send a record to every partition."""
        record = work.encode(told)
        for partition in range(PARTITIONS):
            self._producer.produce(self._made.work_topic, value=record, partition=partition)

    def under_way(self) -> bool:
        """Whether something that was sent may still be accepted."""
        self.check()
        if self._running is not None and not self._running.done():
            return True
        return self._producer.flush(0.05) > 0 or not all(post.done() for post in self._posts)

    def check(self) -> None:
        """Raise what a client has ended with."""
        for one in (self._running, self._counting, *self._posts):
            if one is not None and one.done():
                one.result()

    def _count(self) -> None:
        """Look how many have been answered; a thread of its own, for it waits while brokers are away."""
        while not self._over.wait(2):
            self.events = self._made.count(self._made.result_topic)

    def _ask(self) -> None:
        number = 0
        due_s = time.monotonic()
        while not self._over.is_set():
            if len(self.asked.sent) - self.events > MOST_OPEN:
                self._producer.poll(0.5)
                due_s = time.monotonic()
                continue
            bodies = self._round(number)
            number += 1
            self._send(bodies)
            due_s += len(bodies) / self._rate
            while (wait_s := due_s - time.monotonic()) > 0 and not self._over.is_set():
                self._producer.poll(min(wait_s, 0.2))

    def _round(self, number: int) -> list[dict[str, Any]]:
        chance = self._chance
        provider = _one_of(chance, PROVIDERS)
        mode = _one_of(chance, MODES)
        batch = f"batch-{number // 3}-{provider}"  # three rounds each
        if not self.batches or self.batches[-1] != batch:
            self.batches.append(batch)
        quality = [(0.9, 0.1) if chance.random() < 0.5 else (0.1, 0.9) for _ in range(chance.randint(1, LARGEST_ROUND))]
        return [self._made.body(provider, batch=batch, iteration=number % 3, mode=mode, quality=one) for one in quality]

    def _send(self, bodies: list[dict[str, Any]]) -> None:
        chance = self._chance
        posted = chance.random() < POSTED
        for body in bodies:
            better = "Essay A" if "[quality:0.9]" in body["user_prompt"].partition("**Essay B")[0] else "Essay B"
            door: Door = "gateway" if posted else "topic"
            self.asked.send(body["correlation_id"], Comparison(door, body["metadata"]["cj_batch_id"], better))
        if posted:
            self._posts = [one for one in self._posts if not one.done()]
            if len(self._posts) < 200:
                self._posts += [self._clients.submit(self._post, body, chance.choice(self._ports)) for body in bodies]
            else:  # the gateway is away: CJ would have given its batch up by now
                for body in bodies:
                    del self.asked.sent[body["correlation_id"]]
        elif chance.random() < SINGLES:
            for body in bodies:
                self._write(single_event(body), [body])
        else:
            parts = 2 if len(bodies) > 3 and chance.random() < 0.3 else 1
            half = len(bodies) // parts
            for part in range(parts):
                own = bodies[part * half :] if part == parts - 1 else bodies[part * half : (part + 1) * half]
                self._write(round_event(own, part + 1, parts), own)

    def _write(self, value: bytes, bodies: list[dict[str, Any]]) -> None:
        ids = [body["correlation_id"] for body in bodies]

        def acknowledged(error: KafkaError | None, _: Message) -> None:
            if error is None:
                for one in ids:
                    self.asked.accept(one)

        key = bodies[0]["metadata"]["cj_batch_id"].encode()
        for _ in range(2 if self._chance.random() < SENT_AGAIN else 1):
            while True:
                with contextlib.suppress(BufferError):
                    self._producer.produce(self._made.request_topic, value=value, key=key, on_delivery=acknowledged)
                    break
                self._producer.poll(0.2)

    def _post(self, body: dict[str, Any], port: int) -> None:
        try:
            answer = post_as_cj(port, body)
        except GivenUp as error:
            self.asked.given_up.append(str(error)[:300])
        else:
            self.asked.accept(body["correlation_id"], answer.told["queue_id"])


def _one_of(chance: random.Random, weights: dict[Any, float]) -> Any:
    return chance.choices(list(weights), list(weights.values()))[0]
