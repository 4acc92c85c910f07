"""Not a library to deploy: slow, with secrets in plain memory. An independent model of the Veilsum protocol, written from the
pages of `spec/` alone, to check those pages and any implementation against."""
