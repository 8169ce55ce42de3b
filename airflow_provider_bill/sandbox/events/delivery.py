"""Delivering an event: a signed POST, again after 2, 4, 8 and 16 seconds, and then the subscription's end.

Source: https://developer.bill.com/docs/bill-webhook-api-notification-rules
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import ipaddress
import ssl
from urllib.parse import SplitResult, urlsplit

from airflow_provider_bill.sandbox.events.state import Event, Events

RETRY_SECONDS = (2, 4, 8, 16)
ANSWER_SECONDS = 10
NOT_SENT = "not delivered: the local BILL delivers to this machine only"


def is_loopback(url: SplitResult) -> bool:
    """Return whether an address is on this machine."""
    host = url.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def sign(key: str, body: bytes) -> str:
    """Return the signature of a notification."""
    return base64.b64encode(hmac.digest(key.encode(), body, "sha256")).decode()


async def deliver(events: Events, event: Event) -> None:
    """Send an event until it is answered with 200; disable its subscription if it never is.

    The first try is made whatever the state of the subscription, for a test or a resend; the others only while it is
    enabled.
    """
    subscription, event.note = event.subscription, None
    failed_at = 0.0
    for seconds in (0, *RETRY_SECONDS):
        if seconds:
            await events.wait_until(failed_at + seconds)
            if not subscription.enabled or subscription.id not in events.subscriptions:
                return
        if not is_loopback(urlsplit(subscription.url)):
            event.note = NOT_SENT
            return
        event.status_code, failed_at = await _try(events, event)
        if event.status_code == 200:
            return
    subscription.enabled, subscription.updated = False, events.clock.now()


async def _try(events: Events, event: Event) -> tuple[int | None, float]:
    """Return the status that a receiver answers within 10 seconds of the local BILL's clock, else None, and when."""
    events.sent += 1
    too_late = events.clock.now() + ANSWER_SECONDS
    post = asyncio.create_task(_post(event))
    late = asyncio.create_task(events.wait_until(too_late))
    try:
        await asyncio.wait({post, late}, return_when=asyncio.FIRST_COMPLETED)
        return (post.result(), events.clock.now()) if post.done() else (None, too_late)
    except (OSError, ValueError, EOFError):
        return None, events.clock.now()
    finally:
        post.cancel()
        late.cancel()


async def _post(event: Event) -> int:
    url, body = urlsplit(event.subscription.url), event.payload.encode()
    context = ssl.create_default_context() if url.scheme == "https" else None
    port = url.port or (443 if context else 80)
    reader, writer = await asyncio.open_connection(url.hostname, port, ssl=context)
    try:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        lines = [
            f"POST {target} HTTP/1.1",
            f"Host: {url.netloc.rpartition('@')[2]}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            f"x-bill-sha-signature: {sign(event.subscription.key, body)}",
            "Connection: close",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        return int((await reader.readline()).split()[1])
    except IndexError:
        raise ValueError("The receiver's answer is not HTTP.") from None
    finally:
        writer.close()
