"""What mail servers write to an envelope sender when a mail comes back."""


def a_delivery_report(
    to: str, *, action: str = "failed", status: str = "5.1.1", said: str = "smtp; 550 5.1.1 no such user"
) -> bytes:
    """Return a report as of RFC 3464, as Postfix writes it."""
    return f"""Return-Path: <>
From: MAILER-DAEMON@mx.example (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="here"

--here
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--here
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
Arrival-Date: Tue, 5 May 2026 12:00:00 +0000

Final-Recipient: rfc822; tanya.lee@my-email.world
Action: {action}
Status: {status}
Remote-MTA: dns; mx.my-email.world
Diagnostic-Code: {said}

--here
Content-Type: text/rfc822-headers

Message-ID: <of-another@pay.example>
Subject: Invoice 7

--here--
""".replace("\n", "\r\n").encode()


def a_complaint(sender: str) -> bytes:
    """Return a complaint as of RFC 5965, which comes to the address that the feedback loop was registered with."""
    return f"""From: <abuse@mailprovider.example>
To: <abuse@pay.example>
Subject: FW: Invoice 7
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="here"

--here
Content-Type: text/plain

This is an abuse report.

--here
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <{sender}>

--here
Content-Type: message/rfc822

Subject: Invoice 7

Text

--here--
""".encode()
