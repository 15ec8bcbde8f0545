"""Who is calling when proxies stand in front: apart because both ways into the API ask it."""


def forwarded_client(headers: list[tuple[bytes, bytes]], hops: int) -> str | None:
    """Return the address that the nearest `hops` proxies wrote down; what stands before it is hearsay."""
    named = b",".join(value for name, value in headers if name == b"x-forwarded-for").split(b",")
    return named[-hops].strip().decode("latin-1")[:64] or None if len(named) >= hops else None
