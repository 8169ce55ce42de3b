"""Webhooks under ``/connect-events``: subscriptions, the events they are told of, and their deliveries.

Two things differ from BILL. A ``notificationUrl`` may also be ``http://`` on this machine, so that a receiver needs no
certificate; and notifications are sent to this machine only: of any other address the history notes that it was not
contacted.
"""
