"""The outside of the service: requests are decoded, one verb of the engine is called, its result is encoded.

`decode_*` turn parameters into the engine's requests (pure: the clock is handed in), `encode_*` turn results
into JSON and protobuf, `http` and `grpc` are thin adapters around the two. Nothing here looks at spans.
"""
