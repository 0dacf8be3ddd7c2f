"""Pages that a person reads to see what runs here, and how it is configured."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html import escape
from http import HTTPStatus

from tempo_dask.api.contracts import Status
from tempo_dask.api.http.handler import TempoHandler
from tempo_dask.api.tables import draw_table

_PLAIN = "text/plain"
_HTML = "text/html"
_MODES = ("", "diff", "defaults")
_MARK = "&#10003;"


class StatusHandler(TempoHandler):
    """All sections, or the one that the path names."""

    route = "status"

    async def answer(self, *path: str) -> None:
        """Answer each section under a line that says how to ask for it alone."""
        sections = _SECTIONS if not path else {path[0]: _SECTIONS[path[0]]}
        mode = self.arguments.text("mode") if path else ""
        if mode not in _MODES:
            self.set_status(HTTPStatus.INTERNAL_SERVER_ERROR)
            self.say(f"unknown value for mode query parameter: {mode}\nGET /status/{path[0]}\n")
            return
        texts = [f"GET /status/{name}\n{section(self, mode)}" for name, section in sections.items()]
        self.say("".join(texts), _PLAIN)


def _version(handler: TempoHandler, _mode: str) -> str:
    lines = (
        f"tempo_dask, version {handler.api.version}",
        f"  python version:   {platform.python_version()}",
        f"  platform:         {platform.system().lower()}/{platform.machine()}",
    )
    return "\n".join(lines) + "\n"


def _services(handler: TempoHandler, _mode: str) -> str:
    rows = [(name, state, "") for name, state in sorted(handler.api.status.services().items())]
    return draw_table(("SERVICE NAME", "STATUS", "FAILURE CASE"), rows)


def _endpoints(handler: TempoHandler, _mode: str) -> str:
    rules = handler.application.wildcard_router.rules
    patterns = sorted(rule.matcher.regex.pattern for rule in rules)  # type: ignore[attr-defined]  # its rules match paths
    return draw_table(("NAME", "REGEX"), [(pattern.removesuffix("$"), f"^{pattern}") for pattern in patterns])


def _runtime_config(handler: TempoHandler, mode: str) -> str:
    return f"---\n{handler.api.status.overrides_text(mode)}"


def _config(handler: TempoHandler, mode: str) -> str:
    return f"---\n{handler.api.status.config_text(mode)}"


_SECTIONS: Mapping[str, Callable[[TempoHandler, str], str]] = {
    "version": _version,
    "services": _services,
    "endpoints": _endpoints,
    "runtime_config": _runtime_config,
    "config": _config,
}


class OverridesPage(TempoHandler):
    """Who has overrides."""

    route = "status_overrides"

    async def answer(self, *path: str) -> None:
        """Answer the tenants with overrides of their own, or what holds for one tenant."""
        page = _overrides_of(self.api.status, path[0]) if path else _overridden(self.api.status)
        self.say(page, f"{_HTML}; charset=utf-8")


def _overridden(status: Status) -> str:
    """Return a table of tenants, with who has set something: an operator, users, or both."""
    operators, users = set(status.overridden()), status.user_overrides().keys()
    rows = "".join(
        f'<tr><td><a href="overrides/{escape(tenant)}">{escape(tenant)}</a></td>'
        f"<td>{_MARK * (tenant in operators)}</td><td>{_MARK * (tenant in users)}</td></tr>"
        for tenant in sorted(operators | users)
    )
    titles = "<tr><th>Tenant</th><th>Runtime overrides</th><th>User-configurable overrides</th></tr>"
    return _page("Overrides: tenants", f"<table border=1 cellpadding=5>{titles}{rows}</table>")


def _overrides_of(status: Status, tenant: str) -> str:
    """Return both layers of a tenant's settings."""
    source, text = status.overrides_of(tenant)
    users = status.user_overrides().get(tenant, "No user-configurable overrides set")
    body = (
        f"<p>Showing overrides for tenant: <strong>{escape(tenant)}</strong></p>"
        f"<h3>User-configurable overrides</h3><pre><code>{escape(users)}</code></pre>"
        f"<h3>Runtime overrides</h3><p>Source of runtime overrides: <strong>{escape(source)}</strong></p>"
        f"<pre><code>{escape(text)}</code></pre>"
    )
    return _page("Overrides: tenant", body)


class UsageStatsHandler(TempoHandler):
    """Nothing is reported to anybody."""

    route = "status_usage_stats"

    async def answer(self, *_path: str) -> None:
        """Say so."""
        self.say("usage-stats is not enabled\n")


class MemberlistHandler(TempoHandler):
    """There is no gossip: the commit log and the Dask scheduler know who is there."""

    route = "memberlist"

    async def answer(self, *_path: str) -> None:
        """Say so, in the words that clients know."""
        self.say("This instance doesn't use memberlist.", _PLAIN)


class RingHandler(TempoHandler):
    """Who shares the work: this process, and the workers of its scheduler."""

    route = "ring"

    async def answer(self, *_path: str) -> None:
        """Answer a table of members."""
        members = await asyncio.to_thread(self.api.status.members)
        rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in member)}</tr>" for member in members)
        titles = "<tr><th>Instance ID</th><th>State</th><th>Address</th><th>Does</th></tr>"
        self.say(_page("Ring Status", f"<table width=100% border=1>{titles}{rows}</table>"), _HTML)


def _page(title: str, body: str) -> str:
    now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    return (
        f'<!DOCTYPE html>\n<html>\n<head><meta charset="UTF-8"><title>{title}</title></head>\n'
        f"<body>\n<h1>{title}</h1>\n<p>Current time: {now}</p>\n{body}\n</body>\n</html>\n"
    )


_RINGS = "ingester|distributor|compactor|metrics-generator|live-store"
routes = [
    (r"/status", StatusHandler),
    (rf"/status/({'|'.join(_SECTIONS)})", StatusHandler),
    (r"/status/overrides", OverridesPage),
    (r"/status/overrides/([^/]+)", OverridesPage),
    (r"/status/usage-stats", UsageStatsHandler),
    (r"/memberlist", MemberlistHandler),
    (rf"/(?:{_RINGS})/ring", RingHandler),
]
