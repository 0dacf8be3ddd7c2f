"""Profiles say where threads are, in the format of pprof."""

from __future__ import annotations

import gzip
import threading

from tempo_dask.api.pb.profile_pb2 import Profile
from tempo_dask.profiling import cpu_profile, heap_profile, thread_profile, thread_text


def read(body: bytes) -> tuple[Profile, set[str]]:
    """Return a profile and the names of its functions; every number in it must lead somewhere."""
    profile = Profile.FromString(gzip.decompress(body))
    texts = list(profile.string_table)
    assert texts[0] == ""
    functions = {function.id: texts[function.name] for function in profile.function}
    locations = {location.id: functions[location.line[0].function_id] for location in profile.location}
    for sample in profile.sample:
        assert len(sample.value) == len(profile.sample_type)
        assert all(number in locations for number in sample.location_id)
    return profile, set(functions.values())


def a_thread_that_waits(stop: threading.Event) -> None:
    stop.wait()


def test_a_thread_is_seen_where_it_is() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=a_thread_that_waits, args=(stop,), name="waiting")
    thread.start()
    try:
        for body in (cpu_profile(0.1), thread_profile()):
            assert "a_thread_that_waits" in read(body)[1]
        assert "a_thread_that_waits" in thread_text()
        assert "[waiting]" in thread_text()
    finally:
        stop.set()
        thread.join()


def test_what_is_allocated_is_seen() -> None:
    held: list[bytes] = []
    thread = threading.Timer(0.05, lambda: held.append(bytes(10_000_000)))
    thread.start()
    profile, names = read(heap_profile(0.3))
    thread.join()
    assert max(sample.value[1] for sample in profile.sample) >= 10_000_000
    assert any(name.endswith("test_profiles.py") for name in names)
