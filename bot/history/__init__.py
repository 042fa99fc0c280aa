"""What the past says: the ledger, the scratchpad, earlier runs, costs and fingerprints."""
