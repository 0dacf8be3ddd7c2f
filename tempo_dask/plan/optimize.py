"""Rewrites plans: each rule is a pure function from plan to plan that keeps the meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tempo_dask.plan.drop_true_filters import drop_true_filters
from tempo_dask.plan.empty_plans import mark_empty
from tempo_dask.plan.merge_filters import merge_filters
from tempo_dask.plan.nodes import Plan

Rule = Callable[[Plan], Plan]

RULES: tuple[Rule, ...] = (mark_empty, drop_true_filters, merge_filters)


def optimize(plan: Plan, rules: Iterable[Rule] = RULES) -> Plan:
    """Apply the rules, one after another."""
    for rule in rules:
        plan = rule(plan)
    return plan
