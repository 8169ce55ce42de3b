"""BILL's v2: forms, envelopes and entities."""
