"""Paydue: self-hosted invoicing that speaks the Cybersource Invoicing REST API v2."""
