"""
Makes, with the vendor's Python client, the calls that our own client makes; who listens compares the two.

It runs in the client's own virtual environment and knows nothing of Paydue: its argument is a JSON document with the
address to call, the account, and the figures.
"""

import json
import sys

# Bodies are snake_case: given the names of the wire, the client drops fields without a word.


def main() -> None:
    from CyberSource import (
        DecisionManagerApi,
        PaymentsApi,
        RefundApi,
        SearchTransactionsApi,
        TransactionDetailsApi,
        UnifiedCheckoutV1CaptureContextApi,
        VoidApi,
    )

    order = json.loads(sys.argv[1])
    settings = {
        "authentication_type": "http_signature",
        "merchantid": order["merchant_id"],
        "merchant_keyid": order["key_id"],
        "merchant_secretkey": order["shared_secret"],
        "run_environment": order["address"],
    }
    details = {"total_amount": order["amount"], "currency": order["currency"]}
    client = {"code": order["reference"], "transaction_id": order["transaction_id"]}
    payment_id = order["payment_id"]
    payment = {
        "client_reference_information": client,
        "processing_information": {"capture": True},
        "order_information": {"amount_details": details},
        "token_information": {"transient_token_jwt": order["token"]},
    }
    refund = {"client_reference_information": client, "order_information": {"amount_details": details}}
    calls = {
        "session": lambda: UnifiedCheckoutV1CaptureContextApi(settings).generate_unified_checkout_v1_capture_context(
            json.dumps(order["session"])
        ),
        "charge": lambda: PaymentsApi(settings).create_payment(json.dumps(payment)),
        "refund": lambda: RefundApi(settings).refund_payment(json.dumps(refund), payment_id),
        "void": lambda: VoidApi(settings).void_payment(
            json.dumps({"client_reference_information": {"code": order["reference"]}}), payment_id
        ),
        "timeout void": lambda: VoidApi(settings).mit_void(json.dumps({"client_reference_information": client})),
        "search": lambda: SearchTransactionsApi(settings).create_search(json.dumps(order["search"])),
        "transaction": lambda: TransactionDetailsApi(settings).get_transaction(payment_id),
        "review": lambda: DecisionManagerApi(settings).action_decision_manager_case(
            payment_id, json.dumps(order["decision"])
        ),
    }
    for name, call in calls.items():
        try:
            call()
        except Exception as fault:  # noqa: BLE001 - the answer is none of the client's; what it sent is what counts
            sys.stderr.write(f"{name}: {type(fault).__name__}: {str(fault)[:200]}\n")


if __name__ == "__main__":
    main()
