"""Create an invoice, send it, record the payment that came by bank transfer, and list what there is."""

import sys

from signing_client import Paydue

paydue = Paydue.of(sys.argv[1])

draft = paydue.call(
    "POST",
    "/invoicing/v2/invoices",
    {
        "customerInformation": {"name": "Tanya Lee", "email": "tanya.lee@example.com"},
        "invoiceInformation": {
            "description": "Consulting in June",
            "dueDate": "2026-12-31",
            "deliveryMode": "email",
            "allowPartialPayments": True,
        },
        "orderInformation": {"amountDetails": {"totalAmount": "293.50", "currency": "USD"}},
    },
)
print("created ", draft["id"], draft["status"])

sent = paydue.call("POST", f"/invoicing/v2/invoices/{draft['id']}/delivery")
print("sent    ", sent["id"], sent["status"])
print("open    ", sent["invoiceInformation"]["paymentLink"])

payment = {"amount": "100", "method": "bank transfer", "reference": "TR-2026-0001"}
part = paydue.call("POST", f"/paydue/v1/invoices/{draft['id']}/payments", payment)
print("paid    ", part["id"], part["status"], "balance", part["orderInformation"]["amountDetails"]["balanceAmount"])

payment = {"amount": "193.50", "method": "bank transfer", "reference": "TR-2026-0002"}
paid = paydue.call("POST", f"/paydue/v1/invoices/{draft['id']}/payments", payment)
print("paid    ", paid["id"], paid["status"], "balance", paid["orderInformation"]["amountDetails"]["balanceAmount"])

newest = paydue.call("GET", "/invoicing/v2/invoices?offset=0&limit=5")
print("listed  ", *[f"{invoice['id']} {invoice['status']}" for invoice in newest["invoices"]], sep="  ")
