"""Nine languages: sentences, amounts and dates as a reader expects them, for pages, mails and documents alike."""
