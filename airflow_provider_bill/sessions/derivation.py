"""Keys derived from a connection's secrets where a guess must be costly.

What lies in an XCom or in a note can be read by people who may not read the connection. With the developer key known
(all integrations of a company share it), such a text would tell a guessed password from a wrong one; so each guess
costs a tenth of a second and 32 MiB.
"""

from __future__ import annotations

import functools
import hashlib
import threading

from airflow_provider_bill.client.secret import SecretBytes

_COST, _BLOCK, _MEMORY = 2**15, 8, 2**26
_lock = threading.Lock()


def costly_key(material: bytes, salt: bytes) -> bytes:
    """Return 32 bytes derived from secrets; the same arguments cost nothing the second time in a process.

    :param material: the secrets
    :param salt: stored beside what the key is for
    """
    with _lock:  # threads that want the same key wait for it, instead of deriving it too
        return _derived(SecretBytes(material), salt)


@functools.lru_cache(maxsize=64)
def _derived(material: SecretBytes, salt: bytes) -> bytes:
    return hashlib.scrypt(material, salt=salt, n=_COST, r=_BLOCK, p=1, maxmem=_MEMORY, dklen=32)
