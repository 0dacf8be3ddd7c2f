"""The table of traces: a row per trace, made from its sorted spans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from storage.arrays import id_words, list_offsets, single_chunk, values
from storage.columns import STRING, TIME, TRACE_FIELDS, column_name
from storage.kernels.summarize import count_by_service, trace_bounds
from storage.take import take_array

_SERVICE_NAME = column_name("resource", "service.name", "str")
_REFERENCE_TYPE = column_name("link", "opentracing.ref_type", "str")

#: The fields of the list column `services`, each readable as a list column of its own.
SERVICE_COLUMNS: Mapping[str, str] = {f"services.{name}": name for name in ("service", "spans", "errors")}

Bounds = npt.NDArray[np.int32]


def summarize_traces(spans: pa.Table, resources: pa.Table, links: pa.Table, bounds: Bounds) -> pa.Table:
    """Return the table of traces of sorted spans; `bounds` (traces + 1) says where each trace begins.

    A trace's root is its span without a parent id, of several the one that starts last.
    """
    firsts = bounds[:-1]
    starts = values(single_chunk(spans.column("start")), np.int64)
    durations = values(single_chunk(spans.column("duration_ns")), np.int64)
    first, last, roots = trace_bounds(bounds, starts, durations, _is_root(spans, links))
    root = pa.array(roots, mask=roots < 0)
    services = _service_names(resources)
    resource_of_root = single_chunk(spans.column("resource")).take(root)
    columns = {
        "trace_id": take_array(single_chunk(spans.column("trace_id")), firsts),
        "first_span": pa.array(firsts.astype(np.uint32)),
        "span_count": pa.array(np.diff(bounds).astype(np.uint32)),
        "start": pa.array(first).view(TIME),
        "end": pa.array(last).view(TIME),
        "root_service": _encode(services.take(resource_of_root)),
        "root_name": _encode(single_chunk(spans.column("name")).cast(pa.string()).take(root)),
        "services": _count_services(spans, services, bounds),
    }
    return pa.table(columns, schema=pa.schema(TRACE_FIELDS))


def _encode(array: pa.StringArray) -> pa.DictionaryArray:
    return cast("pa.DictionaryArray", array.dictionary_encode().cast(STRING))


def _service_names(resources: pa.Table) -> pa.StringArray:
    """Return the service name of each resource, null where it has none."""
    if _SERVICE_NAME not in resources.column_names:
        return pa.nulls(resources.num_rows, pa.string())
    return single_chunk(resources.column(_SERVICE_NAME)).cast(pa.string())


def _is_root(spans: pa.Table, links: pa.Table) -> npt.NDArray[np.bool_]:
    """Return which spans have no parent: neither a parent id nor a `child_of` link within their trace."""
    is_root = single_chunk(spans.column("parent_span_id")).is_null().to_numpy(zero_copy_only=False)
    if _REFERENCE_TYPE not in links.column_names:
        return cast("npt.NDArray[np.bool_]", is_root)
    is_child = pc.equal(links.column(_REFERENCE_TYPE).cast(pa.string()), "child_of").fill_null(False).to_numpy()
    children = links.column("span").to_numpy()
    linked = id_words(single_chunk(links.column("trace_id")))
    own = id_words(single_chunk(spans.column("trace_id")))[children]
    is_root = is_root.copy()
    is_root[children[is_child & (linked == own).all(axis=1)]] = False
    return cast("npt.NDArray[np.bool_]", is_root)


def _count_services(spans: pa.Table, names: pa.StringArray, bounds: Bounds) -> pa.ListArray:
    """Return per trace its services with the number of their spans and of those with status error."""
    encoded = names.fill_null("").dictionary_encode()
    service_of_span = encoded.indices.to_numpy()[spans.column("resource").to_numpy()]
    statuses = values(single_chunk(spans.column("status")), np.int32)
    offsets, services, counts, errors = count_by_service(bounds, service_of_span, statuses, len(encoded.dictionary))
    entries = [encoded.dictionary.take(pa.array(services)), pa.array(counts), pa.array(errors)]
    type_ = pa.schema(TRACE_FIELDS).field("services").type
    return pa.ListArray.from_arrays(
        pa.array(offsets), pa.StructArray.from_arrays(entries, fields=list(type_.value_type))
    ).cast(type_)


def services_column(services: pa.ListArray, field: str) -> pa.ListArray:
    """Return one field of `services` as a list column."""
    return pa.ListArray.from_arrays(pa.array(list_offsets(services)), services.values.field(field))
