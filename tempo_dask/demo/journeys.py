"""The kinds of traces the shop makes, from a health check of one span to a nightly job of some hundred."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tempo_dask.demo.calls import (
    PRODUCTS,
    advertise,
    charge,
    grpc,
    http,
    look_up_product,
    page,
    publish_order,
    query,
    quote_shipping,
    read_cart,
    recommend,
    send_mail,
)
from tempo_dask.demo.recorder import CONSUMER, INTERNAL, Recorded, Recorder
from tempo_dask.demo.values import ORDER, USER, Value

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Journey:
    """A kind of trace: how often it happens beside the others, and how many variants of it to make up."""

    record: Callable[[Recorder], None]
    weight: float
    variants: int
    meets_payment: bool = False


def browse(t: Recorder) -> None:
    """Open the home page: products, advertisements and the cart are asked for side by side."""
    with page(t, "GET", "/", "/"):
        t.together(lambda: _list_products(t), lambda: advertise(t), lambda: read_cart(t, "GetCart", t.rng.randrange(4)))


def view_product(t: Recorder) -> None:
    """Open a product's page; one in a while does not exist."""
    product = t.rng.choice(PRODUCTS)
    with page(t, "GET", "/product/{id}", f"/product/{product}") as server:
        if t.chance(0.04):
            server.attributes["http.status_code"] = 404
            return
        look_up_product(t, product)
        t.together(lambda: recommend(t), lambda: advertise(t))


def search(t: Recorder) -> None:
    """Search the shop: an index, then the products it names."""
    words = t.rng.choice(("telescope", "red dot finder", "lens cleaning kit", "binoculars 10x42", "solar filter"))
    with page(t, "GET", "/search", f"/search?q={words.replace(' ', '+')}"):
        attributes = http("GET", "/v1/search", "/v1/search")
        with t.call("search", "GET /v1/search", attributes, attributes | {"search.words": words.split()}):
            hits = t.rng.randrange(0, 9)
            statement = f'{{"query":{{"match":{{"name":"{words}"}}}},"size":20}}'
            with t.ask("opensearch query", {"db.system": "opensearch", "db.statement": statement, "search.hits": hits}):
                t.work(18.0, 0.8)
        for product in t.rng.choices(PRODUCTS, k=min(hits, 4)):
            look_up_product(t, product)


def add_to_cart(t: Recorder) -> None:
    """Put something in the cart."""
    product = t.rng.choice(PRODUCTS)
    with page(t, "POST", "/cart", "/cart"):
        look_up_product(t, product)
        read_cart(t, "AddItem", t.rng.randrange(1, 8))


def checkout(t: Recorder) -> None:
    """Buy what is in the cart: the shop's deepest page, and the one that a bad payment service hurts."""
    items = t.rng.randrange(1, 6)
    with page(t, "POST", "/cart/checkout", "/cart/checkout") as server:
        seen: dict[str, Value] = {
            "order.id": f"order-{ORDER}",
            "user.id": f"user-{USER}",
            "order.items": items,
            "feature.express_checkout": t.chance(0.2),
        }
        with grpc(t, "checkout", "CheckoutService", "PlaceOrder", seen) as (_, placed):
            _place_order(t, placed, items)
        if placed.error is not None:
            server.attributes["http.status_code"] = 503 if t.bad_deploy else 402
            server.error = placed.error


def fulfil(t: Recorder) -> None:
    """Take orders off the queue, some time later, in a trace that links to those that put them there."""
    links = t.rng.randrange(1, 4)
    consumer: dict[str, Value] = {
        "messaging.system": "kafka",
        "messaging.source.name": "orders",
        "messaging.operation": "process",
        "messaging.batch.message_count": links,
        "messaging.kafka.consumer.group": "packers",
    }
    with t.serve("shipping", "orders process", consumer, CONSUMER) as span:
        span.links = links
        t.work(3.0)
        for _ in range(links):
            with t.inside("pack parcel", {"parcel.fragile": t.chance(0.2), "parcel.label": t.rng.randbytes(6)}):
                t.work(14.0)
            send_mail(t, "order-shipped")


def check_health(t: Recorder) -> None:
    """Answer a probe: one span, and nothing below it."""
    with t.serve("frontend-proxy", "GET /healthz", http("GET", "/healthz", "/healthz")):
        t.work(0.2)


def open_category(t: Recorder) -> None:
    """Open a category: the catalog walks down the tree of categories, so the trace is deep."""
    with (
        page(t, "GET", "/category/{id}", "/category/astronomy"),
        grpc(t, "catalog", "ProductCatalog", "ListCategory", {"category.id": "astronomy"}),
    ):
        _expand(t, t.rng.randrange(6, 14))


def rebuild_index(t: Recorder) -> None:
    """Rebuild the search index, batch by batch: wide, long, and nobody waits for it."""
    with t.serve("search", "rebuild index", {"job.name": "rebuild-index", "job.schedule": "*/10 * * * *"}, INTERNAL):
        for batch in range(t.rng.randrange(20, 45)):
            with t.inside("index batch", {"batch.number": batch, "batch.size": 500}):
                statement = "SELECT id, name, description FROM products ORDER BY id OFFSET $1 LIMIT 500"
                query(t, statement, "products", 12.0, 500)
                if t.chance(0.02):
                    t.note("retry", {"retry.attempt": 1, "retry.reason": {"code": 429, "from": "opensearch"}})
                    t.work(250.0)


JOURNEYS = (
    Journey(browse, 30, 96),
    Journey(view_product, 26, 128),
    Journey(search, 12, 96),
    Journey(add_to_cart, 12, 64),
    Journey(checkout, 14, 160, meets_payment=True),
    Journey(fulfil, 5, 48),
    Journey(check_health, 4, 16),
    Journey(open_category, 2, 32),
    Journey(rebuild_index, 0.15, 6),
)


def _list_products(t: Recorder) -> None:
    with grpc(t, "catalog", "ProductCatalog", "ListProducts", {"app.products.count": len(PRODUCTS)}):
        query(t, "SELECT id, name, price_units, price_nanos FROM products LIMIT $1", "products", 4.0, len(PRODUCTS))


def _expand(t: Recorder, levels: int) -> None:
    with t.inside("expand category", {"category.level": levels}):
        t.work(0.8)
        if levels > 1:
            _expand(t, levels - 1)


def _place_order(t: Recorder, placed: Recorded, items: int) -> None:
    with t.inside("prepare order"):
        read_cart(t, "GetCart", items)
        for product in t.rng.choices(PRODUCTS, k=items):
            look_up_product(t, product)
        shipping = quote_shipping(t, items)
    amount = round(t.rng.lognormvariate(3.9, 0.7) + shipping, 2)
    if not _charge_with_retries(t, amount):
        placed.error = "could not charge the card"
        placed.attributes["rpc.grpc.status_code"] = 13
        return
    query(t, "INSERT INTO orders (id, user_id, total) VALUES ($1, $2, $3)", "orders", 4.0, 1)
    publish_order(t)
    read_cart(t, "EmptyCart", 0)
    placed.is_ok = True


def _charge_with_retries(t: Recorder, amount: float) -> bool:
    attempts = ATTEMPTS if t.bad_deploy else 1
    for attempt in range(1, attempts + 1):
        if charge(t, amount, attempt):
            return True
        if attempt < attempts:
            t.note("retry", {"retry.attempt": attempt, "retry.backoff_ms": 100.0 * attempt})
            t.work(100.0 * attempt, 0.1)
    return False
