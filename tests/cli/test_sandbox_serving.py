"""The test processor beside a server: on an origin of its own in the demo, refused where money is meant."""

from pathlib import Path

import httpx

from running import Server, paydue, run_paydue, running_server


def test_the_demo_serves_a_test_processor_on_an_origin_of_its_own(demo: Server) -> None:
    shown = httpx.get(f"{demo.ready['sandbox_url']}/console")

    assert demo.ready["sandbox_url"] not in (demo.ready["api_url"], demo.ready["tls_url"])
    assert (shown.status_code, "Test mode" in shown.text) == (200, True)
    assert httpx.get(f"{demo.ready['sandbox_url']}/invoicing/v2/invoices").status_code == 404


def test_a_server_that_takes_money_refuses_the_test_processor(tmp_path: Path) -> None:
    data = tmp_path / "data"
    paydue("init", "--data", str(data))
    for command in ("serve", "worker"):
        refused = run_paydue(command, "--data", str(data), PAYDUE_GATEWAY="sandbox")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "gateway is sandbox, which moves no money" in refused.stderr
    development = {"PAYDUE_GATEWAY": "sandbox", "PAYDUE_DEVELOPMENT": "true"}
    with running_server(data, "--with-worker", **development):
        pass
