"""`explain` for find, aggregate, count and distinct, from PostgreSQL's own EXPLAIN."""

from __future__ import annotations

from deploy.local.mongo.engine import Engine
from deploy.local.mongo.errors import Document, failure

_FUNCTIONS = {
    "find": "bson_aggregation_find",
    "aggregate": "bson_aggregation_pipeline",
    "count": "bson_aggregation_count",
    "distinct": "bson_aggregation_distinct",
}


def explain_pipeline(
    engine: Engine, verb: str, database: str, spec: bytes, *, runs: bool
) -> Document:
    """The winning plan, in MongoDB's words if they fit; `postgres` holds the whole plan.

    With `runs` the query runs, and `executionStats` holds the number of its documents.
    """
    function = _FUNCTIONS.get(verb)
    if function is None:
        return failure(115, "CommandNotSupported", f"explain of '{verb}' is not supported")
    pipeline = f"documentdb_api_catalog.{function}(%s, %b::bytea::documentdb_core.bson)"
    options = "format json, analyze true" if runs else "format json"
    sql = " ".join((f"explain ({options})", "select document from", pipeline))
    (explained,) = engine.row(sql, database, spec)
    plan = explained[0]["Plan"]
    reply: Document = {
        "queryPlanner": {"winningPlan": _winning_plan(plan)},
        "postgres": plan,
        "ok": 1.0,
    }
    if runs:
        reply["executionStats"] = {
            "executionSuccess": True,
            "nReturned": int(plan["Actual Rows"]),
            "executionTimeMillis": int(explained[0]["Execution Time"]),
        }
    return reply


def _winning_plan(plan: Document) -> Document:
    """The scan at the bottom of the plan: the index, or the whole collection."""
    scan = _first_with(plan, "Index Name") or {}
    index, condition = scan.get("Index Name"), str(scan.get("Index Cond"))
    # The index of `_id` also reads whole collections. Without a condition on
    # `_id` (PostgreSQL's column object_id) that is a scan of the collection.
    if index is None or (index == "_id_" and "object_id" not in condition):
        return {"stage": "COLLSCAN"}
    wrapper = _first_with(plan, "IndexDetails") or {"IndexDetails": []}
    bounds = [
        bound
        for details in wrapper["IndexDetails"]
        if details["indexName"] == index
        for bound in details.get("indexBounds", ())
    ]
    return {"stage": "IXSCAN", "indexName": index, "indexBounds": bounds}


def _first_with(plan: Document, field: str) -> Document | None:
    """The first plan, from the top, with a value in this field."""
    if plan.get(field):
        return plan
    below = (_first_with(child, field) for child in plan.get("Plans", []))
    return next((found for found in below if found), None)
