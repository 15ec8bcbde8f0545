"""
The same with the official Python client, which needs one setting to call Paydue:

    pip install "setuptools==81.*" cybersource-rest-client-python
"""

import json
import sys
from pathlib import Path

from CyberSource import InvoicesApi

ready = json.loads(Path(sys.argv[1]).read_text())
settings = {
    "authentication_type": "http_signature",
    "merchantid": ready["merchant_id"],
    "merchant_keyid": ready["key_id"],
    "merchant_secretkey": ready["shared_secret"],
    "run_environment": "apitest.cybersource.com",
    # The one line that makes the client call Paydue instead of the vendor.
    "IntermediateHost": ready["api_url"],
}
if "tls" in sys.argv:
    # Or over TLS, once the demo's authority stands in the file that `python -m certifi` names.
    del settings["IntermediateHost"]
    settings["run_environment"] = ready["tls_url"].removeprefix("https://")
invoices = InvoicesApi(settings)

request = {
    "customerInformation": {"name": "Tanya Lee", "email": "tanya.lee@example.com"},
    "invoiceInformation": {"description": "Consulting in June", "dueDate": "2026-12-31", "deliveryMode": "email"},
    "orderInformation": {"amountDetails": {"totalAmount": "293.50", "currency": "USD"}},
}
draft, _, _ = invoices.create_invoice(json.dumps(request))
print("created ", draft.id, draft.status)

sent, _, _ = invoices.perform_send_action(draft.id)
print("sent    ", sent.id, sent.status)
print("open    ", sent.invoice_information.payment_link)

# Recording a payment is ours, so the client has no method for it; it signs the call all the same.
paid, _, _ = invoices.api_client.call_api(
    f"/paydue/v1/invoices/{draft.id}/payments",
    "POST",
    header_params={"Accept": "application/json", "Content-Type": "application/json"},
    body=json.dumps({"amount": "293.50", "method": "bank transfer", "reference": "TR-2026-0001"}),
    response_type="InvoicingV2InvoicesGet200Response",
)
print("paid    ", paid.id, paid.status)

newest, _, _ = invoices.get_all_invoices(offset=0, limit=5)
print("listed  ", *[f"{invoice.id} {invoice.status}" for invoice in newest.invoices], sep="  ")
