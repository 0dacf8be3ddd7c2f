"""What the shop's services do for one another, each with the attributes that instrumentation records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tempo_dask.demo.recorder import PRODUCER, Recorded, Recorder
from tempo_dask.demo.services import BAD_VERSION
from tempo_dask.demo.values import ORDER, USER, Value

PRODUCTS = (
    "OLJCESPC7Z",
    "66VCHSJNUP",
    "1YMWWN1N4O",
    "L9ECAV7KIM",
    "2ZYFJ3GM2N",
    "0PUK6V6EV0",
    "LS4PSXUNUM",
    "9SIQT8TOJO",
)
CURRENCIES = ("EUR", "USD", "GBP", "CHF", "JPY")
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64)",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5)",
    "shop-android/8.2.1",
    "curl/8.7.1",
)


def http(method: str, route: str, target: str) -> dict[str, Value]:
    """Return what an HTTP server records of a request that went well."""
    return {"http.method": method, "http.route": route, "http.target": target, "http.status_code": 200}


def rpc(service: str, method: str) -> dict[str, Value]:
    """Return what gRPC instrumentation records of a call that went well, on either side."""
    return {"rpc.system": "grpc", "rpc.service": f"shop.{service}", "rpc.method": method, "rpc.grpc.status_code": 0}


def sql(statement: str, table: str) -> dict[str, Value]:
    """Return what a database driver records of a statement."""
    operation = statement.split(maxsplit=1)[0]
    return {
        "db.system": "postgresql",
        "db.name": "shop",
        "db.operation": operation,
        "db.sql.table": table,
        "db.statement": statement,
        "db.user": "shop_rw",
    }


@contextmanager
def page(t: Recorder, method: str, route: str, target: str) -> Iterator[Recorded]:
    """Serve a page: the proxy at the edge, behind it the frontend."""
    edge = http(method, route, target) | {
        "http.scheme": "https",
        "http.user_agent": t.rng.choice(AGENTS),
        "net.peer.ip": f"203.0.113.{t.rng.randrange(1, 255)}",
        "http.response_content_length": t.rng.randrange(900, 64_000),
    }
    shown: dict[str, Value] = {
        "user.id": f"user-{USER}",
        "user.is_guest": t.chance(0.3),
        "session.flags": ["web", "eu"],
    }
    name, asked = f"{method} {route}", http(method, route, target)
    with t.serve("frontend-proxy", name, edge) as proxy:
        t.work(0.6)
        with t.call("frontend", name, asked, asked | shown) as (client, server):
            t.work(5.0)
            yield server
            t.work(12.0)
        status = server.attributes["http.status_code"]
        client.attributes["http.status_code"] = proxy.attributes["http.status_code"] = status
        if server.error is not None:
            client.error = proxy.error = ""


@contextmanager
def grpc(
    t: Recorder, service: str, package: str, method: str, seen: dict[str, Value]
) -> Iterator[tuple[Recorded, Recorded]]:
    """Call another service by gRPC; `seen` are attributes that the called side records beside."""
    attributes = rpc(package, method)
    name = f"shop.{package}/{method}"
    with t.call(service, name, attributes | {"net.peer.name": service}, attributes | seen) as (client, server):
        t.work(0.5)
        yield client, server
        t.work(0.3)
    if server.error is not None:
        client.error = server.error
        client.attributes["rpc.grpc.status_code"] = server.attributes["rpc.grpc.status_code"]


def refuse(t: Recorder, code: int, kind: str, message: str, stack: str) -> None:
    """Let the gRPC call being served fail with a status code and an exception."""
    t.span.attributes["rpc.grpc.status_code"] = code
    t.fail(kind, message, stack)


def query(t: Recorder, statement: str, table: str, median_ms: float, rows: int) -> None:
    """Ask the database through its proxy, which records a span of its own."""
    attributes = sql(statement, table)
    name = f"{statement.split(maxsplit=1)[0]} shop.{table}"
    with t.ask(name, attributes | {"net.peer.name": "orders-db", "net.peer.port": 5432}), t.serve("orders-db", name):
        t.work(median_ms)
        t.span.attributes |= {"db.rows": rows, "db.cache_hit_ratio": round(t.rng.betavariate(9, 1), 4)}


def cached(t: Recorder, command: str, key: str) -> bool:
    """Ask Redis, which is quick and records nothing; return whether the key was there."""
    hit = t.chance(0.85)
    attributes: dict[str, Value] = {"db.system": "redis", "db.statement": f"{command} {key}", "cache.hit": hit}
    with t.ask(command, attributes):
        t.work(0.35)
    return hit


def look_up_product(t: Recorder, product: str) -> None:
    """Let the catalog find a product."""
    with grpc(t, "catalog", "ProductCatalog", "GetProduct", {"app.product.id": product}):
        if not cached(t, "GET", f"product:{product}"):
            query(t, "SELECT id, name, price_units, price_nanos FROM products WHERE id = $1", "products", 3.0, 1)


def recommend(t: Recorder) -> None:
    """Let the model recommend products; now and then it takes too long and its caller does without."""
    slow = t.chance(0.05)
    model: dict[str, Value] = {"model.version": "als-2024-10", "model.features": 128, "model.warm": not slow}
    with grpc(t, "recommendation", "Recommendation", "ListRecommendations", {"app.filtered": t.chance(0.5)}):
        with t.inside("rank candidates", model):
            t.work(900.0 if slow else 9.0)
            t.span.attributes["model.scores"] = [round(t.rng.random(), 3) for _ in range(3)]
        if slow:
            refuse(t, 4, "TimeoutError", "ranking took longer than 500ms", 'File "rank.py", line 88, in rank')


def advertise(t: Recorder) -> None:
    """Let an auction pick advertisements; sometimes none is found and that is an error nobody minds."""
    seen: dict[str, Value] = {"app.ads.contexts": ["travel", "telescopes"], "app.ads.targeted": True}
    with grpc(t, "ads", "AdService", "GetAds", seen):
        with t.inside("auction", {"auction.bids": t.rng.randrange(0, 30), "auction.floor": 0.15}):
            t.work(4.0, 0.7)
        if t.chance(0.03):
            stack = "at ads.Auction.run(Auction.java:61)"
            refuse(t, 14, "io.grpc.StatusRuntimeException", "UNAVAILABLE: no bidder answered", stack)


def read_cart(t: Recorder, method: str, items: int) -> None:
    """Let the cart service read or change a cart, which lies in Redis."""
    with grpc(t, "cart", "CartService", method, {"user.id": f"user-{USER}", "cart.items": items}):
        cached(t, "HGET" if method == "GetCart" else "HMSET", f"cart:{USER}")


def charge(t: Recorder, amount: float, attempt: int) -> bool:
    """Let payment charge a card; return whether it did. The bad version waits for a lock that it should not take."""
    seen: dict[str, Value] = {
        "payment.amount": amount,
        "payment.currency": t.rng.choice(CURRENCIES),
        "payment.card_type": t.rng.choice(("visa", "mastercard", "amex")),
        "payment.fraud_checked": True,
        "retry.attempt": attempt,
    }
    with grpc(t, "payment", "PaymentService", "Charge", seen) as (_, server):
        with t.inside("check card"):
            t.work(6.0)
        if t.bad_deploy:
            _lock_ledger(t)
        else:
            query(t, "INSERT INTO ledger (order_id, amount, currency) VALUES ($1, $2, $3)", "ledger", 5.0, 1)
        if not t.bad_deploy and t.chance(0.03):
            refuse(
                t,
                9,
                "shop.payment.CardDeclined",
                "card declined by its bank",
                "at shop.payment.Charge.run(Charge.java:112)",
            )
    return server.error is None


def _lock_ledger(t: Recorder) -> None:
    attributes = sql("SELECT * FROM ledger WHERE account_id = $1 FOR UPDATE", "ledger")
    with t.ask("SELECT shop.ledger", attributes | {"net.peer.name": "orders-db"}) as asked:
        with t.serve("orders-db", "SELECT shop.ledger"):
            t.note("lock wait", {"lock.mode": "RowExclusiveLock", "lock.holders": t.rng.randrange(2, 12)})
            t.work(1900.0, 0.35)
        if t.chance(0.65):
            asked.error = "canceling statement due to lock timeout"
    if asked.error is not None:
        stack = (
            f"at shop.payment.Ledger.lock(Ledger.java:47)\nat shop.payment.Charge.run(Charge.java:98) [{BAD_VERSION}]"
        )
        refuse(t, 14, "org.postgresql.util.PSQLException", f"ERROR: {asked.error}", stack)


def publish_order(t: Recorder) -> None:
    """Put the order on the queue; whoever consumes it later links back to this span."""
    attributes: dict[str, Value] = {
        "messaging.system": "kafka",
        "messaging.destination.name": "orders",
        "messaging.message.id": f"order-{ORDER}",
        "messaging.kafka.partition": t.rng.randrange(6),
    }
    t.published = len(t.spans)
    with (
        t.ask("orders publish", attributes, PRODUCER),
        t.serve("orders-queue", "orders append", {"queue.depth": t.rng.randrange(40)}),
    ):
        t.work(1.2)


def quote_shipping(t: Recorder, items: int) -> float:
    """Let shipping quote a price over HTTP; return it."""
    price = round(t.rng.uniform(3.9, 24.9), 2)
    attributes = http("POST", "/get-quote", "/get-quote")
    with (
        t.call(
            "shipping", "POST /get-quote", attributes, attributes | {"shipping.items": items, "shipping.cost": price}
        ),
        t.inside("weigh parcels", {"parcel.weights_kg": [round(t.rng.uniform(0.1, 4.0), 2) for _ in range(items)]}),
    ):
        t.work(2.0)
    return price


def send_mail(t: Recorder, template: str) -> None:
    """Let email write to the customer; the relay outside it is slow."""
    attributes = http("POST", "/send_order_confirmation", "/send_order_confirmation")
    relay: dict[str, Value] = {"net.peer.name": "smtp.example.com", "net.peer.port": 587, "tls": True}
    with (
        t.call("email", "POST /send_order_confirmation", attributes, attributes | {"email.template": template}),
        t.ask("smtp send", relay),
    ):
        t.work(120.0, 0.6)
