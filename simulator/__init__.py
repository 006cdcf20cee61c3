"""A local server that speaks the providers' APIs, with faults and a ledger of what it was paid for."""
