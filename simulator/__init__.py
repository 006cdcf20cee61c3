"""A local server that speaks both provider APIs, with faults and a ledger of what it was paid for."""
