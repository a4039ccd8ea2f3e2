"""Behind a reverse proxy: nginx ends TLS, keeps connections, and says whom it speaks for."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import Daemon, Device, have
from tests.support.ports import free_port

CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  upstream cmpd {{ server {address}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {folder}/tls.pem; ssl_certificate_key {folder}/tls-key.pem;
    location / {{
      proxy_pass http://cmpd; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For "192.0.2.77"; proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
"""


@pytest.fixture
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Daemon, Device, int]]:
    """A daemon that trusts a proxy on loopback, a device, and the proxy's port."""
    folder = tmp_path_factory.mktemp("proxied")
    daemon = Daemon(folder, environment={"CMPD_HTTP_TRUSTED_PROXIES": '["127.0.0.0/8"]'})
    daemon.init()
    device = Device(folder, daemon)
    device.key(name="tls-key.pem")
    device.openssl("req", "-x509", "-key", "tls-key.pem", "-subj", "/CN=localhost", "-out", "tls.pem")
    daemon.start()
    port = free_port()
    path = folder / "nginx.conf"
    path.write_text(CONFIGURATION.format(folder=folder, address=daemon.address, port=port), "utf-8")
    proxy = subprocess.Popen(["nginx", "-e", str(folder / "nginx.log"), "-c", str(path)])
    try:
        _wait_for(folder / "nginx.pid", proxy)
        yield daemon, device, port
    finally:
        proxy.terminate()
        proxy.wait(10)
        assert daemon.stop() == 0


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 10
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.skipif(not have("nginx"), reason="there is no nginx here")
def test_enrolment_through_nginx_with_tls_is_logged_under_the_client_s_address(
    proxied: tuple[Daemon, Device, int],
) -> None:
    daemon, device, port = proxied
    tls = ["-tls_used", "-tls_trusted", "tls.pem", "-tls_host", "localhost"]
    for number in range(3):
        done = device.enrol("ir", *tls, "-server", f"localhost:{port}", key=f"key{number}.pem")
        assert done.status == 0, done.output
    assert daemon.log.count("peer=192.0.2.77") == 6
    assert "peer=127.0.0.1" not in daemon.log
