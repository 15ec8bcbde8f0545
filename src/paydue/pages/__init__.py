"""The HTML that payers and merchants see, made from the same use cases as the API."""
