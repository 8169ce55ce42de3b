"""BILL's v3: JSON, collections, OAuth and Spend & Expense."""
