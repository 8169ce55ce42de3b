"""The local BILL in tests: its process, its controls, and what the pytest fixture ``bill_sandbox`` hands out."""
