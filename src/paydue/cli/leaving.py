"""
Refusing new connections without losing one that has begun: what a closed socket alone does not do.

Closing a listening socket resets whoever has connected and was not taken yet. Its client, a proxy mostly, has sent its
request by then, and may not send a POST to another node, for all it knows of it.
"""

import ctypes
import logging
import socket
import struct
from typing import Final

_log = logging.getLogger("paydue.server")

# Linux; Python knows no name for it.
_SO_ATTACH_FILTER: Final = 26
# A filter for a socket is a small program. This one drops what begins a connection (SYN without ACK, in the flags at
# offset 13 of the TCP header) and lets everything else pass.
_LOAD_FLAGS: Final = (0x30, 0, 0, 13)
_KEEP_SYN_AND_ACK: Final = (0x54, 0, 0, 0x12)
_UNLESS_SYN_ALONE: Final = (0x15, 0, 1, 0x02)
_DROP: Final = (0x06, 0, 0, 0)
_PASS: Final = (0x06, 0, 0, 0xFFFFFFFF)
_PROGRAM: Final = b"".join(
    struct.pack("HBBI", *each) for each in (_LOAD_FLAGS, _KEEP_SYN_AND_ACK, _UNLESS_SYN_ALONE, _DROP, _PASS)
)


def refuse_new_connections(listening: socket.socket) -> None:
    """
    Begin no more connections on that socket, and still finish those that have begun.

    Whoever tries one hears nothing, tries again after a second, and is refused then, when the socket is closed: a
    refusal that tells a proxy that nothing of its request has arrived. Where the system knows no such filters, nothing
    happens.
    """
    program = ctypes.create_string_buffer(_PROGRAM)
    described = struct.pack("HL", len(_PROGRAM) // 8, ctypes.addressof(program))
    try:
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
    except OSError as fault:
        _log.warning("no_connection_filter", extra={"reason": str(fault)})
