"""The few lines by which a client library calls this server instead of the vendor's."""

from collections.abc import Mapping
from urllib.parse import urlsplit


def client_settings(facts: Mapping[str, str]) -> str:
    """Return what to set in the Python and the Node library for a shared-secret key."""
    return f"""\
Python, in the client's configuration:
  "authentication_type": "http_signature",
  "merchantid": "{facts["merchant_id"]}",
  "merchant_keyid": "{facts["key_id"]}",
  "merchant_secretkey": "{facts["shared_secret"]}",
{python_host(facts["tls_url"], facts["ca_file"])}
  or, without TLS: "IntermediateHost": "{facts["api_url"]}"

Node, in the client's configuration:
  authenticationType: 'http_signature',
  merchantID: '{facts["merchant_id"]}',
  merchantKeyId: '{facts["key_id"]}',
  merchantsecretKey: '{facts["shared_secret"]}',
{node_host(facts["tls_url"], facts["ca_file"])}
  or, without TLS: intermediateHost: '{facts["api_url"]}'"""


def python_host(url: str, ca_file: str) -> str:
    """Return the two settings of the Python library: where, and whom to trust."""
    return f"""\
  "run_environment": "{urlsplit(url).netloc}",
  and once, so that it trusts this server: cat {ca_file} >> "$(python -m certifi)\""""


def node_host(url: str, ca_file: str) -> str:
    """Return the two settings of the Node library."""
    return f"""\
  runEnvironment: '{urlsplit(url).netloc}',
  sslCaCert: '{ca_file}',"""
