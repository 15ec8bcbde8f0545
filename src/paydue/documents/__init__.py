"""Invoices and receipts on paper: what a PDF says, how it is drawn with typst, and the process that draws it."""
