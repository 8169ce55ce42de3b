"""What the local BILL remembers until it is reset: clock, sessions, limits, MFA, rows, faults and the request log."""
