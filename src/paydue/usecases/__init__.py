"""One verb a file, from the read to the committed change, and the ports that the verbs need."""
