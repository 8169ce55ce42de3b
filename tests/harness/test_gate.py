"""What goes wrong between a client and a server that is well."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from dev.gate import DRIP, TRUNCATE, Gate, Way
from dev.local_bill import LocalBill
from dev.network import OtherNetwork
from dev.processes import wait_until


def port_of(bill: LocalBill) -> int:
    port = urlsplit(bill.url).port
    assert port is not None
    return port


@pytest.fixture
def gate(bill: LocalBill) -> Iterator[Gate]:
    with Gate(port_of(bill)) as gate:
        yield gate


def ask(gate: Gate) -> requests.Response:
    with requests.Session() as http:
        http.trust_env = False
        return http.get(f"http://127.0.0.1:{gate.port}/_sandbox/stats", timeout=30)


@pytest.mark.parametrize("way", [Way(), Way(seconds=0.001)])
def test_an_answer_passes_whole(way: Way, gate: Gate, bill: LocalBill) -> None:
    gate.way = way
    assert ask(gate).json() == bill.stats()


def test_a_shut_gate_refuses_and_opens_at_the_same_place(gate: Gate) -> None:
    port = gate.port
    gate.shut()
    with pytest.raises(requests.ConnectionError):
        ask(gate)
    gate.open()
    assert (ask(gate).status_code, gate.port) == (200, port)


def test_an_answer_is_cut_short(gate: Gate) -> None:
    gate.way = TRUNCATE
    with pytest.raises(requests.RequestException):
        ask(gate)
    with socket.create_connection(("127.0.0.1", gate.port), timeout=30) as raw:
        raw.sendall(b"GET /_sandbox/stats HTTP/1.1\r\nHost: here\r\n\r\n")
        received = b""
        while piece := raw.recv(1000):
            received += piece
    assert len(received) == TRUNCATE.cut_after
    assert DRIP.cut_after is None


@pytest.mark.skipif(not OtherNetwork.can_be_had(), reason="this machine lets nobody make a network")
def test_another_network_reaches_the_named_ports_and_no_others(gate: Gate, bill: LocalBill, tmp_path: Path) -> None:
    network = OtherNetwork("elsewhere", [port_of(bill)], tmp_path)
    probe = (
        "import socket, sys\nprint(socket.gethostname())\n"
        "for port in map(int, sys.argv[1:]):\n"
        "    with socket.socket() as one: print(one.connect_ex(('127.0.0.1', port)) == 0)"
    )
    try:
        command = network.command(["python3", "-c", probe, str(port_of(bill)), str(gate.port)])
        said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    finally:
        network.stop()
    assert said.split() == ["elsewhere", "True", "False"]


@pytest.mark.skipif(not OtherNetwork.can_be_had(), reason="this machine lets nobody make a network")
def test_another_network_is_refused_where_nobody_listens_and_served_once_somebody_does(
    gate: Gate, tmp_path: Path
) -> None:
    network = OtherNetwork("elsewhere", [gate.port], tmp_path)
    probe = (
        "import http.client, sys\n"
        "try:\n"
        "    one = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=30)\n"
        "    one.request('GET', '/_sandbox/stats'); print(one.getresponse().status)\n"
        "except Exception as error: print(type(error).__name__)"
    )

    def ask_within() -> str:
        command = network.command(["python3", "-c", probe, str(gate.port)])
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()

    try:
        assert ask_within() == "200"
        gate.shut()
        # The first to come learns it for all.
        assert ask_within() in ("RemoteDisconnected", "ConnectionResetError")
        assert ask_within() == "ConnectionRefusedError"
        gate.open()
        wait_until(lambda: ask_within() == "200", 30, "the port to be served again")
    finally:
        network.stop()
