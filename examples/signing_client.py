"""
A client with nothing but Python: every call signed by HTTP Signature, the way the official libraries sign theirs.

Import it, as `first_invoice.py` does, or call the API by hand:

    python3 examples/signing_client.py .demo/ready.json GET "/invoicing/v2/invoices?limit=5"
"""

import base64
import hashlib
import hmac
import json
import sys
from email.utils import formatdate
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def signed_headers(
    method: str,
    target: str,
    host: str,
    merchant_id: str,
    key_id: str,
    shared_secret: str,
    body: bytes | None = None,
    date: str | None = None,
) -> dict[str, str]:
    """Return the headers of a request; `target` is path and query, exactly as they will be sent. The date is now."""
    date = date or formatdate(usegmt=True)
    lines = {"host": host, "date": date, "request-target": f"{method.lower()} {target}"}
    if body is not None:
        lines["digest"] = "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
    lines["v-c-merchant-id"] = merchant_id
    text = "\n".join(f"{name}: {value}" for name, value in lines.items())
    signature = base64.b64encode(hmac.digest(base64.b64decode(shared_secret), text.encode(), "sha256")).decode()
    signed = f'keyid="{key_id}", algorithm="HmacSHA256", headers="{" ".join(lines)}", signature="{signature}"'
    del lines["request-target"]
    return {**lines, "signature": signed, "content-type": "application/json"}


class Refused(Exception):
    """The answer was no; its text says why, and in the demo what is wrong with a signature."""


class Paydue:
    """One merchant's door to a server."""

    def __init__(self, api_url: str, merchant_id: str, key_id: str, shared_secret: str) -> None:
        self._host = urlsplit(api_url).netloc
        self._credentials = merchant_id, key_id, shared_secret

    @classmethod
    def of(cls, ready_file: str) -> "Paydue":
        """Return the door of a demo that was started with `--ready-file`."""
        ready = json.loads(Path(ready_file).read_text())
        return cls(ready["api_url"], ready["merchant_id"], ready["key_id"], ready["shared_secret"])

    def call(self, method: str, target: str, body: Any = None, more_headers: dict[str, str] | None = None) -> Any:
        """Return the JSON of the answer; `more_headers` are sent unsigned. Raises Refused."""
        # A call without a body, such as send or cancel, sends and signs an empty object.
        content = json.dumps(body or {}).encode() if method in {"POST", "PUT"} else None
        headers = signed_headers(method, target, self._host, *self._credentials, content) | (more_headers or {})
        connection = HTTPConnection(self._host)
        connection.request(method, target, content, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status >= 400:
            raise Refused(f"{answer.status} {text}\n{answer.getheader('x-paydue-auth-hint', '')}".strip())
        return json.loads(text) if text else None


if __name__ == "__main__":
    try:
        ready_file, method, target, *body = sys.argv[1:]
        answer = Paydue.of(ready_file).call(method, target, json.loads(body[0]) if body else None)
    except ValueError:
        sys.exit("usage: signing_client.py READY_FILE METHOD PATH [JSON]: .demo/ready.json GET /invoicing/v2/invoices")
    except (Refused, OSError) as refusal:
        sys.exit(str(refusal))
    print(json.dumps(answer, indent=2))
