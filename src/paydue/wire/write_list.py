"""
Lists of invoices as the API answers them: apart from the whole invoice because they are written by hand, for speed.

A list of twenty would otherwise cost as much as twenty invoices.
"""

from paydue.usecases.ports import InvoiceSummary, Page
from paydue.wire.write_invoice import LINK_PATH, LINK_VERSION, STATUS_NAMES, encode, links_of


def write_list(page: Page, *, offset: int, limit: int, status: str | None, submit_time: str, portal_url: str) -> bytes:
    """Return the answer of a list; `status` is the filter as the caller wrote it, repeated in the links."""
    filtered = f"&status={status}" if status is not None else ""

    def link(name: str, to: int) -> str:
        return f'"{name}":{{"href":"/v2/invoices/?offset={to}&limit={limit}{filtered}","method":"GET"}}'

    links = link("self", offset)
    if offset + limit < page.total:
        links += "," + link("next", offset + limit)
    if offset > 0:
        links += "," + link("previous", max(0, offset - limit))
    link_start = f',"paymentLink":"{portal_url}{LINK_PATH}'
    items = b",".join([invoice.written or _written(invoice, link_start) for invoice in page.invoices])
    head = f'{{"_links":{{{links}}},"submitTimeUtc":"{submit_time}","totalInvoices":{page.total},"invoices":['
    return b"%b%b]}" % (head.encode(), items)


def _written(invoice: InvoiceSummary, link_start: str) -> bytes:
    """Write an invoice, and keep it with what was written: the pages that are asked for most change least."""
    number, customer = invoice.number, ""
    if invoice.customer_name is not None:
        customer = f'"customerInformation":{{"name":{encode(invoice.customer_name).decode()}'
        if invoice.merchant_customer_id is not None:
            customer += f',"merchantCustomerId":{encode(invoice.merchant_customer_id).decode()}'
        customer += "},"
    elif invoice.merchant_customer_id is not None:
        customer = f'"customerInformation":{{"merchantCustomerId":{encode(invoice.merchant_customer_id).decode()}}},'
    link = f'{link_start}{invoice.payment_token}{LINK_VERSION}"' if invoice.payment_token is not None else ""
    expires = f',"expirationDate":"{invoice.expiration_date}"' if invoice.expiration_date is not None else ""
    invoice.written = written = (
        f'{{"_links":{links_of(invoice.status, number)},"id":"{number}",'
        f'"status":"{STATUS_NAMES[invoice.status]}","createdDate":"{invoice.created_at[:19]}Z",{customer}'
        f'"invoiceInformation":{{"dueDate":"{invoice.due_date}"{expires}{link}}},'
        f'"orderInformation":{{"amountDetails":{{"totalAmount":{invoice.total},"currency":"{invoice.currency}"}}}}}}'
    ).encode()
    return written
