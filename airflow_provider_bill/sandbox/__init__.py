"""A local BILL to test against: its v2 and v3 protocol, its limits, its MFA and its faults, on one port."""
