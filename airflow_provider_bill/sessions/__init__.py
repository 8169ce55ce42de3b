"""The middle floor: one BILL session, shared by every task that has the same identity."""
