"""Tasks that wait for BILL."""
