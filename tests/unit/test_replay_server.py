"""The proxy that answers from a capture: what is held, nothing else, and to nobody outside."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading

import pytest

from preservation.replay import opened
from preservation.replay.server import ReplayServer
from preservation.settings import Limits
from tests.fakes.sealed_page import HTML, LARGE, PAGE, PICTURE, POSTED, SITE, STYLE, SealedPage


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    sealed = SealedPage.make(tmp_path_factory.mktemp("server") / "home")
    with opened(sealed.store, "kept", Limits()) as replay:
        yield replay


@pytest.fixture
def server(shown):
    with shown.serve(0) as running:
        yield running


def ask(server: ReplayServer, method: str, target: str, *, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


@pytest.fixture
def tunnel(server):
    """An https connection to the captured site through the proxy."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=20)
    connection.set_tunnel("kept.test", 443)
    yield connection
    connection.close()


def fetched(connection, path, **headers):
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


def test_https_pages_come_with_their_own_headers_over_one_connection(tunnel):
    import gzip

    status, headers, body = fetched(tunnel, "/")

    assert (status, headers["Content-Encoding"], gzip.decompress(body)) == (200, "gzip", HTML)
    assert fetched(tunnel, "/b.png")[2] == PICTURE
    assert fetched(tunnel, "/h2.css")[2] == STYLE


def test_a_part_of_a_film_is_a_part(tunnel):
    status, headers, body = fetched(tunnel, "/film.mp4", Range="bytes=100-199")

    assert (status, body) == (206, LARGE[100:200])
    assert headers["Content-Range"] == f"bytes 100-199/{len(LARGE)}"


def test_a_post_gets_its_recorded_answer(tunnel):
    tunnel.request("POST", "/api", POSTED, {"Content-Type": "application/json"})

    assert tunnel.getresponse().read() == b"posted answer"


def test_what_the_capture_lacks_is_504_and_says_so(tunnel, server):
    status, _, body = fetched(tunnel, "/unknown")

    assert status == 504
    assert f"{SITE}/unknown".encode() in body
    assert ask(server, "GET", "http://elsewhere.test/")[0] == 504


def test_nothing_is_asked_of_the_network(server):
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(1)
        port = listener.getsockname()[1]

        def listen():
            try:
                listener.accept()
            except OSError:
                return
            asked.set()

        watcher = threading.Thread(target=listen)
        watcher.start()
        status, _, _ = ask(server, "GET", f"http://127.0.0.1:{port}/")
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 200")
            client.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 504")
        watcher.join()

    assert status == 504
    assert not asked.is_set()


def test_it_listens_on_loopback_alone(server):
    assert server._http.server_address[0] == "127.0.0.1"


def test_asked_directly_it_says_what_it_shows(server):
    status, headers, body = ask(server, "GET", "/")

    assert status == 200
    assert b"kept" in body
    assert PAGE.encode() in body
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert ask(server, "GET", "/other")[0] == 404


def test_another_site_s_name_for_this_machine_learns_nothing(server):
    status, _, body = ask(server, "GET", "/", Host="rebinding.test")

    assert status == 404
    assert PAGE.encode() not in body


def test_a_websocket_finds_nobody(tunnel):
    assert fetched(tunnel, "/", Upgrade="websocket", Connection="Upgrade")[0] == 504


def test_a_port_that_is_taken_is_said(shown, server):
    from preservation.errors import BadInput

    with pytest.raises(BadInput, match=str(server.port)):
        shown.serve(server.port)


@pytest.mark.parametrize("length", ["x", "-1", str(1 << 40)])
def test_a_body_of_no_sane_length_is_refused(server, length):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(f"POST {PAGE} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())

        assert client.recv(100).startswith(b"HTTP/1.1 504")


def test_a_certificate_names_the_host_and_only_the_key_is_trusted(server):
    context = server.tls.context_for("kept.test")

    assert context is server.tls.context_for("kept.test")
    assert len(server.tls.key_digest) == 44
