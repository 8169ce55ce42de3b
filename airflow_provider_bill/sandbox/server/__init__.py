"""The front of the local BILL: its HTTP server, the gateway that every call passes, and what handlers see of HTTP."""
