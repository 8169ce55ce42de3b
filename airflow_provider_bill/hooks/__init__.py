"""``BillHook`` and what stands behind it."""
